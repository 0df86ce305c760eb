"""Reductions of what is seen, computed once; and several layers shown as one by them alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Generic, TypeVar, overload

from jaxtyping import Bool
from torch import Tensor

from cortexscope.taps._tokens import Tokens

__all__ = ["Key", "Reduced", "reduction"]

S = TypeVar("S", bound="Reduced")
V = TypeVar("V")

Key = tuple[Any, ...]
"""The name of a reduction, and what it is given."""


class Reduced:
    """Something seen of a batch, with reductions of each prompt that are computed once.

    What has only reductions may be several layers side by side, as one with as many times the
    prompts: a formula over reductions is then computed for all of them in one go, where layer by
    layer its calls alone would take longer than what they compute.
    """

    positions: Tokens
    """Which positions hold a token and not padding."""
    reductions: dict[Key, Any]
    """Tensors [prompt, ...], or tuples of them, or None where there is no such thing."""
    _bare = False
    FEW: ClassVar[int] = 1 << 16
    """What has no more numbers than these may be kept."""

    @property
    def tokens(self) -> Bool[Tensor, "prompt token"]:
        """Which positions hold a token and not padding."""
        return self.positions.mask

    def form(self) -> tuple[Hashable, ...]:
        """Return what decides which reductions there are."""
        return ()

    def alike(self) -> tuple[Hashable, ...]:
        """Return what must be the same of layers that are shown as one."""
        raise NotImplementedError

    def bare(self) -> Reduced:
        """Return the same with nothing to be reduced, and no reduction yet."""
        made = object.__new__(type(self))
        made.__dict__.update(positions=self.positions, reductions={}, _bare=True)
        return made

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing to be reduced."""
        return self._bare

    @property
    def entries(self) -> int:
        """How many numbers are kept where it is held."""
        raise NotImplementedError

    def held(self: S) -> S | None:
        """Return what may be kept after the model has gone on; None where it takes much room."""
        return None

    @classmethod
    def together(cls: type[S], layers: Sequence[S]) -> S:
        """Return layers that are alike as one, with all that there is to be reduced.

        Args:
            layers: of which each may be kept.
        """
        raise NotImplementedError

    def prepare(self, keys: Sequence[Key]) -> None:
        """Compute those reductions that compiled code gives, all of them in one reading."""

    def once(self, key: Key, compute: Callable[[], V]) -> V:
        """Return a reduction, computed if it is not there yet."""
        if key not in self.reductions:
            if self._bare:
                raise LookupError(f"{key} was not computed of the layers that are shown as one")
            self.prepare((key,))
        if key not in self.reductions:
            self.reductions[key] = compute()
        found: V = self.reductions[key]
        return found

    def reduce(self, key: Key) -> Any:  # noqa: ANN401 - whatever the reduction gives
        """Return a reduction by its key."""
        if key in self.reductions:
            return self.reductions[key]
        name, *given = key
        found = getattr(self, str(name))
        return found(*given) if given else found


class reduction(Generic[V]):
    """A reduction without arguments, read as a property."""

    def __init__(self, compute: Callable[[Any], V]) -> None:
        self._compute = compute
        self._key = (compute.__name__,)
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, seen: None, owner: type) -> reduction[V]: ...

    @overload
    def __get__(self, seen: Reduced, owner: type) -> V: ...

    def __get__(self, seen: Reduced | None, owner: type) -> reduction[V] | V:
        if seen is None:
            return self
        return seen.once(self._key, lambda: self._compute(seen))
