"""Distributions over the vocabulary, reduced to a few numbers while their logits are computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cortexscope.native import LogitSums, read_logits, takes_logits

__all__ = ["Distributions"]


class Distributions:
    """What is known of some distributions, of the pieces of their logits that were seen so far.

    Each row has one or more, its members: what each layer predicts, or two models. Logits are in
    float32, or in float64 where a model computes in it; sums in float64.

    Args:
        tokens: the token in question of each row, such as the one that comes next.
        members: how many each row has.
        base: the member that the others are held against, None for none.
        marks: logits that those of other tokens are counted above, None for none.
        second: whether the second likeliest token matters.
    """

    def __init__(
        self,
        tokens: Int[Tensor, " row"],
        *,
        members: int = 1,
        base: int | None = None,
        marks: Float[Tensor, "member row"] | None = None,
        second: bool = False,
    ) -> None:
        self._tokens = tokens
        self._members = members
        self._base = base
        self._marks = marks
        self._second = second
        self._sums: LogitSums | None = None

    def see(self, start: int, scores: Sequence[Float[Tensor, "row token"]]) -> None:
        """Take the next piece of the vocabulary.

        Args:
            start: the number of its first token.
            scores: of each member.
        """
        if self._sums is None:
            self._tokens = self._tokens.to(scores[0].device)
            self._sums = LogitSums.none(
                scores[0][:, 0],
                self._members,
                second=self._second,
                marks=self._marks is not None,
                base=self._base is not None,
            )
        read = read_logits if takes_logits(scores) else _read
        read(self._sums, start, scores, self._tokens, marks=self._marks, base=self._base)

    @property
    def _seen(self) -> LogitSums:
        assert self._sums is not None
        return self._sums

    @property
    def top(self) -> Int[Tensor, "member row"]:
        """The likeliest token, the first of several."""
        return self._seen.top

    @property
    def known(self) -> Bool[Tensor, "member row"]:
        """Where logits are numbers."""
        return ~self._seen.mass.isnan()

    @property
    def entropy(self) -> Float[Tensor, "member row"]:
        """Shannon entropy, nats."""
        seen = self._seen
        return seen.mass.log() - seen.moment / seen.mass

    @property
    def largest(self) -> Float[Tensor, "member row"]:
        """The probability of the likeliest token."""
        return 1 / self._seen.mass

    @property
    def margin(self) -> Float[Tensor, "member row"]:
        """By how much that is more than the probability of the second."""
        seen = self._seen
        assert seen.second is not None
        return -torch.expm1(seen.second.double() - seen.best.double()) / seen.mass

    @property
    def log_probability(self) -> Float[Tensor, "member row"]:
        """Natural logarithm of the probability of the token in question."""
        seen = self._seen
        return seen.wanted.double() - seen.best.double() - seen.mass.log()

    @property
    def above(self) -> Int[Tensor, "member row"]:
        """How many tokens but that one have a logit above the mark."""
        assert self._seen.above is not None
        return self._seen.above

    @property
    def divergence(self) -> Float[Tensor, "member row"]:
        """Kullback-Leibler divergence of each member from the base, nats; 0 of the base itself."""
        seen, base = self._seen, self._base
        assert base is not None
        assert seen.apart is not None
        best, mass = seen.best.double(), seen.mass
        # The largest logits, then what lies below them: nothing cancels but what is equal.
        shift = best[base] - best + (mass[base] / mass).log()
        # Gibbs' inequality holds up to rounding.
        return (seen.apart / mass[base] - shift).clamp(min=0)


def _read(
    sums: LogitSums,
    start: int,
    scores: Sequence[Float[Tensor, "row token"]],
    tokens: Int[Tensor, " row"],
    *,
    marks: Float[Tensor, "member row"] | None,
    base: int | None,
) -> None:
    """Do the same as `read_logits`, on any device."""
    device = sums.best.device
    pieces = scores[0][None] if len(scores) == 1 else torch.stack([x.to(device) for x in scores])
    width = pieces.shape[-1]
    place = tokens - start
    inside = (place >= 0) & (place < width)
    where = place.clamp(0, width - 1)[None, :, None].expand(len(pieces), -1, 1)
    own = pieces.gather(-1, where)[..., 0]
    sums.wanted = torch.where(inside, own, sums.wanted)
    if sums.above is not None and marks is not None:
        # Several times as fast as to sum booleans.
        ahead = torch.gt(pieces, marks[..., None], out=torch.empty_like(pieces)).sum(-1)
        # That one is compared with no mark: its logit, computed with others, differs a little from
        # the same computed alone.
        sums.above = sums.above + ahead.long() - ((own > marks) & inside).long()
    before = sums.best
    here, places = pieces.max(-1)
    if sums.second is not None:
        two = pieces.topk(min(2, width)).values
        both = torch.cat([before[..., None], sums.second[..., None], two], -1)
        sums.second = both.topk(2).values[..., 1]
    sums.best = torch.maximum(before, here)
    sums.top = torch.where(here > before, places + start, sums.top)
    shift = torch.where(sums.mass > 0, before.double() - sums.best.double(), 0)
    scale = shift.exp()
    about = sums.best.masked_fill(sums.best == -torch.inf, 0)[..., None]
    below = pieces - about
    weights = below.exp()
    sums.moment = scale * (sums.moment + sums.mass * shift)
    sums.mass = sums.mass * scale + weights.sum(-1, dtype=torch.float64)
    if sums.apart is not None and base is not None:
        apart = (pieces[base] - pieces).mul_(weights[base])
        # What has no weight adds nothing, also where a token is ruled out.
        apart.masked_fill_(weights[base] <= 0, 0)
        sums.apart = sums.apart * scale[base] + apart.sum(-1, dtype=torch.float64)
    below.mul_(weights).masked_fill_(weights == 0, 0)
    sums.moment = sums.moment + below.sum(-1, dtype=torch.float64)
