"""Which positions of a batch hold tokens, and which of them stand for their prompt."""

from __future__ import annotations

from functools import cached_property

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

__all__ = ["Sample", "Tokens"]


class Sample:
    """Some tokens of each prompt, in order; a shorter sample is filled up at its end.

    Args:
        where: positions in the batch; 0 where a place is empty.
        mask: which places are taken.
        tokens: how many positions the batch has.
    """

    def __init__(
        self, where: Int[Tensor, "prompt place"], mask: Bool[Tensor, "prompt place"], tokens: int
    ) -> None:
        self.where = where
        self.mask = mask
        self._of = len(where), tokens
        self._times: dict[int, Sample] = {}

    def fits(self, query: Tensor) -> bool:
        """Return whether queries, [prompt, head, token, feature], are those it is of."""
        return (len(query), query.shape[2]) == self._of and query.device == self.where.device

    @cached_property
    def slots(self) -> Int[Tensor, "prompt token"]:
        """The place of each position of the batch, -1 where it has none."""
        prompts, places = self.mask.nonzero(as_tuple=True)
        slots = self.where.new_full(self._of, -1)
        slots[prompts, self.where[prompts, places]] = places
        return slots

    def times(self, layers: int) -> Sample:
        """Return the same for so many layers, one after the other as more prompts."""
        many = self._times.get(layers)
        if many is None:
            where, mask = self.where.repeat(layers, 1), self.mask.repeat(layers, 1)
            many = self._times[layers] = Sample(where, mask, self._of[1])
        return many

    def of(
        self, rows: Shaped[Tensor, "prompt token *rest"]
    ) -> Shaped[Tensor, "prompt place *rest"]:
        """Return what belongs to the tokens of the sample."""
        return rows[torch.arange(len(rows), device=rows.device)[:, None], self.where]


class Tokens:
    """The positions of a batch that hold tokens and not padding.

    Args:
        mask: which positions do, [prompt, token].
        sample: how many tokens of each prompt stand for it where a measurement is costly; all of
            them where None.
        before: how many tokens of each prompt earlier passes have read, which a cache remembers;
            none where None.
    """

    def __init__(
        self,
        mask: Bool[Tensor, "prompt token"],
        *,
        sample: int | None = None,
        before: Int[Tensor, " prompt"] | None = None,
    ) -> None:
        self.mask = mask
        self.size = sample
        self.before = before
        self._times: dict[int, Tokens] = {}

    def to(self, device: torch.device) -> Tokens:
        """Return the same on a device; itself where it is there already."""
        if self.mask.device == device:
            return self
        before = None if self.before is None else self.before.to(device)
        return Tokens(self.mask.to(device), sample=self.size, before=before)

    @cached_property
    def ranks(self) -> Int[Tensor, "prompt token"]:
        """The number of each token in its prompt, from 0, those of earlier passes counted."""
        ranks = self.mask.cumsum(-1) - 1
        return ranks if self.before is None else ranks + self.before[:, None]

    @cached_property
    def rest(self) -> Bool[Tensor, "prompt token"]:
        """The tokens without the first one of each prompt."""
        return self.mask & (self.ranks > 0)

    @cached_property
    def last(self) -> Int[Tensor, " prompt"]:
        """The position of each prompt's last token."""
        places = torch.arange(self.mask.shape[1], device=self.mask.device)
        return torch.where(self.mask, places, 0).amax(-1)

    @cached_property
    def counts(self) -> Int[Tensor, " prompt"]:
        """Tokens of each prompt in this pass."""
        return self.mask.sum(-1)

    @cached_property
    def sample(self) -> Sample | None:
        """The tokens that stand for their prompts; None where all tokens do.

        Of a prompt with n tokens, m = `size` of them, in the middle of m parts of equal length:
        the token numbers are floor((2 j + 1) n / 2 m) for j = 0 .. m - 1, or all if n <= m. They
        depend on n alone, never on the batch or on chance.
        """
        if self.size is None or int(self.counts.max()) <= self.size:
            return None
        sizes = self.counts.clamp(max=self.size)
        place = torch.arange(self.size, device=self.mask.device)
        ranks = (2 * place + 1) * self.counts[:, None] // (2 * sizes[:, None]).clamp(min=1)
        taken = place < sizes[:, None]
        here = self.mask.cumsum(-1) - 1
        index = torch.searchsorted(here, torch.where(taken, ranks, 0))
        return Sample(torch.where(taken, index, 0), taken, self.mask.shape[1])

    @cached_property
    def sample_or_all(self) -> Sample:
        """The sample; all positions where all tokens stand for their prompts."""
        if self.sample is not None:
            return self.sample
        places = torch.arange(self.mask.shape[1], device=self.mask.device)
        return Sample(places.expand(self.mask.shape), self.mask, len(places))

    @property
    def sampled(self) -> Tokens:
        """The tokens of the sample as a batch, with their own numbers; itself where all stand."""
        return self if self.sample is None else self._chosen

    @cached_property
    def _chosen(self) -> Tokens:
        assert self.sample is not None
        chosen = Tokens(self.sample.mask)
        chosen.ranks = self.sample.of(self.ranks)
        return chosen

    def part(self, places: slice) -> Tokens:
        """Return some neighbouring positions as a batch, with their own numbers."""
        piece = Tokens(self.mask[:, places])
        piece.ranks = self.ranks[:, places]
        return piece

    def times(self, layers: int) -> Tokens:
        """Return the same for so many layers, one after the other as more prompts."""
        many = self._times.get(layers)
        if many is None:
            before = None if self.before is None else self.before.repeat(layers)
            many = Tokens(self.mask.repeat(layers, 1), sample=self.size, before=before)
            many.ranks = self.ranks.repeat(layers, 1)
            self._times[layers] = many
        return many
