"""What a language model predicts at the tokens of a batch, reduced to a few numbers a token."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.taps._distributions import Distributions
from cortexscope.taps._readout import Readout, ReadoutError
from cortexscope.taps._tokens import Tokens

__all__ = ["BOTH_WAYS", "PredictionReader", "Predictions", "Unread", "distributions", "spread_out"]

BOTH_WAYS = (
    "its tokens also see what comes after them, so that the next one is not predicted; "
    "pseudo_log_likelihood measures such a model"
)
_NO_IDS = "the model was given embeddings and no token ids"


class Unread(NamedTuple):
    """Says of a pass that something asked for cannot be seen in it."""

    need: str
    """By its name in `NEEDS`."""
    reason: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """The distribution over the vocabulary at every token, also where a sample stands for others.

    What a text's bits are summed of must be no sample: surprisals differ too much from token to
    token.
    """

    positions: Tokens
    """Which tokens are there."""
    entropy: Float[Tensor, "prompt token"]
    """Shannon entropy, nats."""
    largest: Float[Tensor, "prompt token"]
    """The probability of the likeliest token."""
    margin: Float[Tensor, "prompt token"]
    """By how much that is more than the probability of the second."""
    surprisal: Float[Tensor, "prompt token"] | None
    """-ln of the probability of the token that comes next; None where the ids are not known."""
    followed: Bool[Tensor, "prompt token"]
    """Which tokens have a next one."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which places hold a token."""
        return self.positions.mask


class PredictionReader:
    """Reads the predictions of one stack, pass by pass.

    Args:
        readout: of the model.
        signature: of the stack's forward pass.
        both_ways: whether its tokens see those after them.
    """

    needs = ("predictions", "predictions.next")

    def __init__(self, readout: Readout, signature: inspect.Signature, *, both_ways: bool) -> None:
        self._readout = readout
        self._signature = signature
        self._both_ways = both_ways
        self._ids: Tensor | None = None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the token ids that the stack is given."""
        given = self._signature.bind_partial(*args, **kwargs).arguments
        given = {**given.pop("kwargs", {}), **given}
        first = next(iter(self._signature.parameters), "")
        found = (given.get(name) for name in ("input_ids", "decoder_input_ids", first))
        ids = next((x for x in found if isinstance(x, Tensor)), None)
        whole = ids is not None and ids.dim() == 2 and not ids.is_floating_point()
        self._ids = ids if whole else None

    def layer(self, number: int, states: Tensor, positions: Tokens) -> None:
        """Take no state of a layer."""

    def read(
        self, final: Float[Tensor, "prompt token feature"], positions: Tokens
    ) -> Iterator[tuple[int | None, Predictions | Unread]]:
        """Yield what is predicted from the states after the last norm, with its layer, None."""
        ids, self._ids = self._ids, None
        reason = self._readout.refusal or (BOTH_WAYS if self._both_ways else None)
        if reason is not None:
            yield from ((None, Unread(need, reason)) for need in self.needs)
            return
        if ids is not None and ids.shape != positions.mask.shape:
            ids = None
        if ids is None:
            yield None, Unread("predictions.next", _NO_IDS)
        tokens, following = positions.mask, _following(positions, ids)
        try:
            found = distributions(self._readout, final[tokens], following[tokens].clamp(min=0))
        except ReadoutError as error:
            yield from ((None, Unread(need, str(error))) for need in self.needs)
            return
        entropy, largest, margin, surprisal = (spread_out(x, tokens) for x in found)
        seen = Predictions(
            positions.to(found.device),
            entropy,
            largest,
            margin,
            surprisal=None if ids is None else surprisal,
            followed=(following >= 0).to(found.device),
        )
        yield None, seen


def _following(positions: Tokens, ids: Tensor | None) -> Int[Tensor, "prompt token"]:
    """Return the id of the token after each one, 0 where it is not known, -1 where none comes."""
    mask = positions.mask
    following = torch.full(mask.shape, -1, device=mask.device)
    known = torch.zeros_like(following) if ids is None else ids.to(mask.device)
    following[:, :-1] = torch.where(mask[:, 1:] & mask[:, :-1], known[:, 1:], -1)
    return following


def spread_out(column: Tensor, tokens: Bool[Tensor, "prompt token"]) -> Tensor:
    """Return numbers of the tokens at their places, NaN at the others."""
    where = tokens.to(column.device)
    return column.new_full(where.shape, torch.nan).masked_scatter_(where, column)


def distributions(
    readout: Readout, states: Float[Tensor, "row feature"], tokens: Int[Tensor, " row"]
) -> Float[Tensor, "4 row"]:
    """Return entropy, largest probability, margin, and surprisal of one token, for each state."""
    inputs = readout.inputs(states)
    step = readout.rows
    pieces = [
        _distribution(readout, inputs[start : start + step], tokens[start : start + step])
        for start in range(0, len(inputs), step)
    ]
    return torch.cat(pieces, -1)


def _distribution(readout: Readout, inputs: Tensor, tokens: Tensor) -> Tensor:
    found = Distributions(tokens, second=True)
    for start, scores in readout.scores(inputs):
        found.see(start, [scores])
    columns = (found.entropy, found.largest, found.margin, -found.log_probability)
    return torch.cat(columns)
