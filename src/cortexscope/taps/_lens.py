"""The logit lens: what a model would predict if it stopped after each of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

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
            found = _through(self._readout, torch.stack([*layers[:-1], last], 1))
        except ReadoutError as error:
            yield None, Unread("lens", str(error))
            return
        tokens = positions.sampled.to(found.device)
        for number, columns in enumerate(found.unbind(-1)):
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
    readout: Readout, states: Float[Tensor, "row layer feature"]
) -> Float[Tensor, "4 row layer"]:
    """Return the columns of `LayerPredictions` for each layer, the last one being final."""
    inputs = readout.inputs(states.flatten(0, 1)).unflatten(0, states.shape[:2])
    step = max(1, readout.rows // states.shape[1])
    pieces = [_piece(readout, inputs[i : i + step]) for i in range(0, len(inputs), step)]
    return torch.cat(pieces, 1)


def _piece(readout: Readout, inputs: Float[Tensor, "row layer width"]) -> Tensor:
    rows, layers = inputs.shape[:2]
    flat = inputs.flatten(0, 1)
    tops = _likeliest(readout, inputs[:, -1])
    marks = readout.of(flat, tops.repeat_interleave(layers)).view(rows, layers, 1)
    tops = tops.to(marks.device)
    best = torch.full_like(marks, -torch.inf)
    mass, moment, crossed, above = torch.zeros(4, rows, layers, 1).to(marks)
    for start, scores in readout.scores(flat):
        scores = scores.view(rows, layers, -1)
        # Several times as fast as to sum booleans.
        ahead = torch.gt(scores, marks, out=torch.empty_like(scores)).sum(-1, keepdim=True)
        above = above + ahead - _own(scores, tops - start, marks)
        before, best = best, torch.maximum(best, scores.amax(-1, keepdim=True))
        shift = before - best
        # Moments about the largest scores: they stay small, and nothing cancels.
        started = mass > 0
        scale, final = shift.exp(), shift[:, -1:].exp()
        moment = torch.where(started, scale * (moment + mass * shift), 0)
        crossed = torch.where(started, final * (crossed + mass[:, -1:] * shift), 0)
        below = scores.sub_(best)
        weights = below.exp()
        mass = mass * scale + weights.sum(-1, keepdim=True)
        moment = moment + torch.linalg.vecdot(weights, below)[..., None]
        crossed = crossed + below @ weights[:, -1, :, None]
    log = mass.log()
    entropy = log - moment / mass
    # Gibbs' inequality holds up to rounding.
    divergence = (log - crossed / mass[:, -1:] - entropy[:, -1:]).clamp(min=0)
    # The last layer is what the others are compared with.
    above[:, -1] = divergence[:, -1] = 0
    undecided = (above > 0).to(above).flip(1).cummax(1).values.flip(1)
    # No score is above or below one that is not a number.
    unknown = (mass + mass[:, -1:]).isnan()
    others = torch.cat([divergence, 1 + above, undecided], -1).masked_fill(unknown, torch.nan)
    return torch.cat([entropy, others], -1).permute(2, 0, 1)


def _likeliest(readout: Readout, inputs: Tensor) -> Tensor:
    """Return the token with the largest logit of each row, the first of several."""
    best = tokens = torch.empty(0)
    for start, scores in readout.scores(inputs):
        here, places = scores.max(-1)
        if start == 0:
            best, tokens = here, places
        more = here > best
        best, tokens = torch.where(more, here, best), torch.where(more, places + start, tokens)
    return tokens


def _own(scores: Tensor, places: Tensor, marks: Tensor) -> Tensor:
    """Return 1 where a token's score, computed with others, is above the same computed alone."""
    width = scores.shape[-1]
    inside = (places >= 0) & (places < width)
    where = places.clamp(0, width - 1)[:, None, None].expand(-1, scores.shape[1], 1)
    return ((scores.gather(-1, where) > marks) & inside[:, None, None]).to(marks)
