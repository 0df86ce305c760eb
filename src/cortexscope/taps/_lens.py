"""The logit lens: what a model would predict if it stopped after each of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cortexscope.taps._distributions import Distributions
from cortexscope.taps._predictions import Unread, spread_out
from cortexscope.taps._readout import Readout, ReadoutError
from cortexscope.taps._tokens import Tokens

__all__ = ["LayerPredictions", "LensReader"]

_OTHER_NORM = "its last norm does not make the final state of the last layer's"


@dataclass(frozen=True, slots=True)
class LayerPredictions:
    """The distribution over the vocabulary that the model's head makes of one layer's states."""

    positions: Tokens
    """Which tokens are there."""
    entropy: Float[Tensor, "prompt token"]
    """Shannon entropy, nats."""
    divergence: Float[Tensor, "prompt token"]
    """KL divergence of the final distribution from this one, nats."""
    rank: Float[Tensor, "prompt token"]
    """Place of the final distribution's likeliest token in this one, 1 being the first."""
    undecided: Float[Tensor, "prompt token"]
    """1 where that token is not first here and in all later layers, else 0."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which places hold a token."""
        return self.positions.mask


class LensReader:
    """Keeps the sample's states of all layers of a stack, and reads them when it is through.

    Args:
        readout: of the model.
        norm: the last norm of the stack, None where blocks end with their own.
    """

    needs = ("lens",)

    def __init__(self, readout: Readout, norm: nn.Module | None) -> None:
        self._readout = readout
        self._norm = norm
        self._kept: list[Tensor] = []

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Forget the states of a pass before."""
        self._kept = []

    def layer(
        self, number: int, states: Float[Tensor, "prompt token feature"], positions: Tokens
    ) -> None:
        """Keep the states of the tokens that stand for their prompts."""
        self._kept.append(_standing(states.detach(), positions))

    def read(
        self, final: Float[Tensor, "prompt token feature"], positions: Tokens
    ) -> Iterator[tuple[int | None, LayerPredictions | Unread]]:
        """Yield what each layer predicts; the last one's states are those after the last norm."""
        kept, self._kept = self._kept, []
        last = _standing(final, positions)
        try:
            layers = [self._normed(states.to(last.device)) for states in kept]
            if layers[-1].shape != last.shape or _differ(layers[-1], last):
                raise ReadoutError(_OTHER_NORM)
            found = _through(self._readout, torch.stack([*layers[:-1], last]))
        except ReadoutError as error:
            yield None, Unread("lens", str(error))
            return
        tokens = positions.sampled.to(found.device)
        for number, columns in enumerate(found.unbind(1)):
            spread = [spread_out(column, tokens.mask) for column in columns]
            yield number, LayerPredictions(tokens, *spread)

    def _normed(self, states: Tensor) -> Tensor:
        if self._norm is None:
            return states
        try:
            # Called past its hooks, which are not for this.
            normed = self._norm.forward(states)
        except Exception as error:
            raise ReadoutError(_OTHER_NORM) from error
        return normed if isinstance(normed, Tensor) else states


def _standing(
    states: Float[Tensor, "prompt token feature"], positions: Tokens
) -> Float[Tensor, "row feature"]:
    """Return the states of the tokens that stand for their prompts, one after the other."""
    sample = positions.sample
    return states[positions.mask] if sample is None else sample.of(states)[sample.mask]


def _differ(states: Tensor, others: Tensor) -> bool:
    exact = states.dtype in (torch.float32, torch.float64)
    allowed = (1e-4 if exact else 3e-2) * others.abs().max()
    return bool(((states - others).abs() > allowed).any())


def _through(
    readout: Readout, states: Float[Tensor, "layer row feature"]
) -> Float[Tensor, "4 layer row"]:
    """Return the columns of `LayerPredictions` for each layer, the last one being final."""
    inputs = readout.inputs(states.flatten(0, 1)).unflatten(0, states.shape[:2])
    rows = readout.rows
    # Of many states at once, since a product of few takes the longer for each of them.
    tops = torch.cat([_likeliest(readout, some) for some in inputs[-1].split(rows)])
    step = max(1, rows // len(states))
    both = zip(inputs.split(step, 1), tops.split(step), strict=True)
    return torch.cat([_piece(readout, *own) for own in both], -1)


def _piece(
    readout: Readout, inputs: Float[Tensor, "layer row width"], tops: Int[Tensor, " row"]
) -> Float[Tensor, "4 layer row"]:
    layers, rows = inputs.shape[:2]
    flat = inputs.flatten(0, 1)
    marks = readout.of(flat, tops.repeat(layers)).view(layers, rows)
    last = layers - 1
    found = Distributions(tops, members=layers, base=last, marks=marks)
    for start, scores in readout.scores(flat):
        found.see(start, scores.view(layers, rows, -1).unbind())
    above = found.above.double()
    # The last layer is what the others are compared with.
    above[last] = 0
    undecided = (above > 0).to(above).flip(0).cummax(0).values.flip(0)
    others = torch.stack([found.divergence, 1 + above, undecided])
    # No score is above or below one that is not a number.
    unknown = ~(found.known & found.known[last])
    return torch.cat([found.entropy[None], others.masked_fill(unknown, torch.nan)])


def _likeliest(readout: Readout, inputs: Float[Tensor, "row width"]) -> Int[Tensor, " row"]:
    """Return the token with the largest logit of each row, the first of several."""
    found = Distributions(torch.zeros(len(inputs), dtype=torch.long))
    for start, scores in readout.scores(inputs):
        found.see(start, [scores])
    return found.top[0]
