"""What metrics are shown of the states of one batch, reduced on demand and only once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cortexscope import native
from cortexscope.taps._compiled import compiled
from cortexscope.taps._reductions import Key, Reduced, reduction
from cortexscope.taps._sizes import Moments, Peak, lower_medians, moments, sorted_sizes
from cortexscope.taps._spectra import Spectra
from cortexscope.taps._tokens import Sample, Tokens

__all__ = ["HiddenStates"]

S = TypeVar("S", bound="HiddenStates")

_NORMS = ("norms",)


class HiddenStates(Reduced):
    """The hidden states of a batch at one site, with reductions that are computed once.

    Args:
        states: as the model computed them, [prompt, token, feature].
        positions: which positions hold a token and not padding.
        before: the states of the layer before, None where there is none.
        chosen: which tokens of each prompt these are of the states given; all where None.
        owned: whether the states stay as they are when the model goes on.
    """

    def __init__(
        self,
        states: Float[Tensor, "prompt token feature"],
        positions: Tokens,
        *,
        before: HiddenStates | None = None,
        chosen: Sample | None = None,
        owned: bool = False,
    ) -> None:
        self.whole = states.detach()
        """As they were given; of all tokens where these are some."""
        self._chosen = chosen
        self.owned = owned
        self.positions = positions
        self.before = before
        self.width = states.shape[-1]
        """Number of features."""
        self.reductions = {}

    @classmethod
    def taken(
        cls: type[S],
        states: Float[Tensor, "prompt token feature"],
        positions: Tokens,
        *,
        before: HiddenStates | None = None,
    ) -> S:
        """Return states of a model that will go on; few of them as a copy, which may be kept."""
        few = states.numel() <= cls.FEW
        return cls(states.clone() if few else states, positions, before=before, owned=few)

    def form(self) -> tuple[Hashable, ...]:
        """Return whether there are states before."""
        return (self.before is None,)

    def alike(self) -> tuple[Hashable, ...]:
        """Return what must be the same of layers that are shown as one."""
        whole = self.whole
        return (*self.form(), whole.shape, whole.dtype, whole.device, id(self.positions))

    def bare(self) -> HiddenStates:
        """Return the same with nothing to be reduced."""
        made = super().bare()
        assert isinstance(made, HiddenStates)
        made.width = self.width
        return made

    @property
    def entries(self) -> int:
        """How many numbers the states are."""
        return self.whole.numel()

    def held(self: S) -> S | None:
        """Return few states that are a copy."""
        return self if self.owned and self.whole.numel() <= self.FEW else None

    @classmethod
    def together(cls: type[S], layers: Sequence[S]) -> S:
        """Return the states of layers as those of one."""
        return cls.joined(layers, layers[0].positions.times(len(layers)))

    @classmethod
    def joined(cls: type[S], layers: Sequence[S], positions: Tokens) -> S:
        """Return the states of layers as those of one at positions that are there already."""
        first = layers[0]
        earlier = [layer.before for layer in layers if layer.before is not None]
        return cls(
            torch.cat([layer.whole for layer in layers]),
            positions,
            before=HiddenStates.joined(earlier, positions) if earlier else None,
            chosen=None if first._chosen is None else first._chosen.times(len(layers)),
            owned=True,
        )

    def kept(self) -> HiddenStates:
        """Return a copy with their lengths alone of all that was computed of them.

        That much the next layer needs; the rest would lie beside the model's largest tensors. The
        states are copied, since a block may add to what it was given in place.
        """
        copy = self._copy_of(self.whole if self.owned else self.whole.clone())
        if "_sample" in self.__dict__:
            copy.__dict__["_sample"] = self._sample._copy_of(copy.whole)
        return copy

    def _copy_of(self, whole: Tensor) -> HiddenStates:
        copy = type(self)(whole, self.positions, chosen=self._chosen, owned=True)
        if "values" in self.__dict__ and self.values.data_ptr() != self.whole.data_ptr():
            copy.__dict__["values"] = self.values
        if _NORMS in self.reductions:
            copy.reductions[_NORMS] = self.norms
        return copy

    @property
    def computed(self) -> Float[Tensor, "prompt token feature"]:
        """The states in the precision that the model computes in."""
        return self._states

    @cached_property
    def _states(self) -> Float[Tensor, "prompt token feature"]:
        # Gathered only where more is asked for than what compiled code reads where it lies.
        return self.whole if self._chosen is None else self._chosen.of(self.whole)

    @property
    def rows(self) -> native.Rows | None:
        """Where compiled code finds the states; None where there is no such code for them."""
        if not native.takes_states(self.whole):
            return None
        return native.Rows(self.whole, None if self._chosen is None else self._chosen.where)

    def lies_as(self, others: HiddenStates) -> bool:
        """Return whether compiled code finds the others at the same places."""
        return self._chosen is others._chosen and native.takes_states(others.whole)

    def prepare(self, keys: Sequence[Key]) -> None:
        """Compute those reductions that compiled code gives, all of them in one reading."""
        self.reductions.update(compiled(self, keys))

    @property
    def device(self) -> torch.device:
        """Where the states are."""
        return self.whole.device

    @property
    def rest(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token that is not the first of its prompt."""
        return self.positions.rest

    @property
    def sample(self) -> HiddenStates:
        """The states of the tokens that stand for their prompts; itself where all do."""
        # To keep a reference to itself would keep all that it holds until garbage is collected.
        return self if self.positions.sample is None else self._sample

    @cached_property
    def _sample(self) -> HiddenStates:
        chosen = self.positions.sample
        assert chosen is not None
        before = None if self.before is None else self.before.sample
        if self._chosen is not None:
            states, owned, chosen = chosen.of(self._states), True, None
        else:
            states, owned = self.whole, self.owned
        return type(self)(states, self.positions.sampled, before=before, chosen=chosen, owned=owned)

    @cached_property
    def values(self) -> Float[Tensor, "prompt token feature"]:
        """The states in float32, or in float64 where the model computes in it."""
        return self._states if self._states.dtype == torch.float64 else self._states.float()

    @reduction
    def sums(self) -> Float[Tensor, "prompt token"]:
        """The sum over features of each token's state."""
        return self.values.sum(-1)

    @reduction
    def sizes(self) -> Float[Tensor, "prompt token"]:
        """The l1 norm of each token's state."""
        # Twice as fast as torch's own l1 norm, which is not vectorised.
        return self.values.abs().sum(-1)

    @reduction
    def norms(self) -> Float[Tensor, "prompt token"]:
        """The l2 norm of each token's state."""
        norms: Tensor = torch.linalg.vector_norm(self.values, dim=-1)
        return norms

    @reduction
    def largest(self) -> Float[Tensor, "prompt token"]:
        """The largest |h| of each token's state."""
        return self.values.abs().amax(-1)

    @reduction
    def norms_before(self) -> Float[Tensor, "prompt token"] | None:
        """The l2 norm of each token's state in the layer before; None where there is none."""
        return None if self.before is None else self.before.norms

    @reduction
    def products_before(self) -> Float[Tensor, "prompt token"] | None:
        """The product of each token's state with the one before; None where there is none."""
        return None if self.before is None else (self.values * self.before.values).sum(-1)

    @property
    def cosines_before(self) -> Float[Tensor, "prompt token"] | None:
        """The cosine of each token's state with the one in the layer before; NaN for zeros.

        None where there is no layer before.
        """
        products, norms = self.products_before, self.norms_before
        return None if products is None or norms is None else products / (self.norms * norms)

    @reduction
    def last(self) -> Float[Tensor, "prompt feature"]:
        """The state of each prompt's last token."""
        prompts = torch.arange(len(self.values), device=self.values.device)
        return self.values[prompts, self.positions.last]

    @cached_property
    def unit_weights(self) -> Float[Tensor, "prompt token"]:
        """What scales each token's state to length 1; 0 for padding and states of zeros."""
        norms = torch.where(self.norms.isfinite(), self.norms, torch.nan)
        return torch.where(self.tokens & (norms != 0), 1 / norms, 0)

    def resultant(self, rest: bool = False) -> Float[Tensor, " prompt"]:
        """Return the squared length of the sum of each prompt's states scaled to length 1.

        Args:
            rest: leave out the first token of each prompt.
        """
        return self.once(("resultant", rest), lambda: self._resultant(rest))

    def _resultant(self, rest: bool) -> Float[Tensor, " prompt"]:
        weights = self.unit_weights_rest if rest else self.unit_weights
        return self.weighted(weights).double().square().sum(-1)

    @cached_property
    def unit_weights_rest(self) -> Float[Tensor, "prompt token"]:
        """The same, and 0 for the first token of each prompt."""
        return torch.where(self.rest, self.unit_weights, 0)

    def weighted(self, weights: Float[Tensor, "prompt token"]) -> Float[Tensor, "prompt feature"]:
        """Return the sum of each prompt's states times the weights; padding has weight 0.

        The weight of a state that is not finite must be NaN.
        """
        weights = weights.to(self.values.dtype)[:, None]
        if self.values.device.type == "cpu":
            found = torch.bmm(weights, self.values)[:, 0]
            # Nothing but numbers went into a sum that is one, so that nothing needs to be replaced.
            if bool(found.isfinite().all()):
                return found
        return torch.bmm(weights, self._finite)[:, 0]

    @cached_property
    def _finite(self) -> Float[Tensor, "prompt token feature"]:
        # Ten times as fast as setting padding to zero.
        return self.values.nan_to_num(0.0, 0.0, 0.0)

    @cached_property
    def spectra(self) -> Spectra:
        """How the states of each prompt fill their space."""
        return Spectra(self.values, self.positions)

    @reduction
    def moments(self) -> Moments:
        """The mean of each token's state and the sums of powers about it."""
        return moments(self.values)

    @reduction
    def peak(self) -> Peak:
        """The largest |h| of each prompt, and where it is."""
        size, place = self.largest.masked_fill(~self.tokens, -1).max(-1)
        prompts = torch.arange(len(place), device=place.device)
        return Peak(size, place, self.values[prompts, place].abs().argmax(-1))

    @cached_property
    def sorted(self) -> Float[Tensor, "prompt token feature"]:
        """The |h| of each token's state, smallest first; costly, so taken of the sample."""
        return sorted_sizes(self.values)

    @cached_property
    def pooled(self) -> Float[Tensor, "prompt entry"]:
        """The |h| of all tokens of each prompt, smallest first, NaN at the end for padding."""
        spared = torch.where(self.tokens[..., None], self.values, torch.nan)
        return sorted_sizes(spared.flatten(1))

    def below(
        self, threshold: float | Float[Tensor, "prompt token 1"]
    ) -> Float[Tensor, "prompt token"]:
        """Return how many features of each token have |h| below `threshold`."""
        # Four times as fast as to sum booleans.
        return self.values.abs().lt_(threshold).sum(-1)

    @reduction
    def zeros(self) -> Float[Tensor, "prompt token"]:
        """How many features of each token are 0."""
        return self.values.abs().le_(0).sum(-1)

    def near_zero(self, threshold: float) -> Float[Tensor, "prompt token"]:
        """Return how many features of each token have |h| below a threshold, kept once."""
        return self.once(("near_zero", threshold), lambda: self.below(threshold))

    def near_zero_relative(self, share: float) -> Float[Tensor, "prompt token"]:
        """Return how many have |h| below a share of the token's root mean square, kept once."""

        def counted() -> Tensor:
            return self.below((self.norms * (share / self.width**0.5))[..., None])

        return self.once(("near_zero_relative", share), counted)

    def massive(self, least: float, times_median: float) -> Float[Tensor, " prompt"]:
        """Return how many entries are above `least` and so many times the sample's median |h|.

        Infinite where the states are not finite.
        """

        def counted() -> Tensor:
            counts = torch.where(self.peak.size.isfinite(), 0.0, torch.inf)
            if (self.peak.size > least).any():
                median = lower_medians(self.sample.values, self.sample.tokens)
                bound = (times_median * median).clamp(min=least)
                tokens = self.tokens & (self.largest > bound[:, None])
                prompts, places = tokens.nonzero(as_tuple=True)
                found = self.values[prompts, places].abs() > bound[prompts, None]
                counts.index_add_(0, prompts, found.sum(-1).to(counts.dtype))
            return counts

        return self.once(("massive", least, times_median), counted)
