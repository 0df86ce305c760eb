"""Keep the reductions of many layers side by side, to show them to metrics as one.

A metric's formula is a dozen calls on a few small tensors, and there are dozens of metrics: layer
by layer the calls alone take longer than what they compute.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor

from cortexscope.metrics.base.metric import Metric
from cortexscope.records import Site
from cortexscope.taps import Key, Reduced

__all__ = ["Gathering", "Shown"]


class Shown(NamedTuple):
    """Layers as one, and who is to see them."""

    role: tuple[Hashable, ...]
    metrics: Sequence[Metric]
    sites: Sequence[Site]
    seen: Reduced
    """With the prompts of the first site, then those of the next, and so on."""


class Gathering:
    """Gathers layers that are alike until enough of them are there to be shown.

    Few numbers are kept as they are, and reduced for many layers at once. Of more, each layer is
    reduced while it is there. Which reductions are needed is told by what is shown first, whole or
    as a layer alone, and remembered.

    Args:
        metrics: all who are shown any of it.
    """

    _ENTRIES = 1 << 18
    """Most numbers of one reduction that are kept before they are shown."""
    _HELD = 1 << 21
    """Most numbers of what is kept as it is."""
    _LAYERS = 64

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._needed = _needed(tuple((type(metric), metric.options) for metric in metrics))
        self._layers: dict[tuple[Hashable, ...], _Alike] = {}

    def add(
        self, role: tuple[Hashable, ...], metrics: Sequence[Metric], site: Site, seen: Reduced
    ) -> Shown | None:
        """Take what is at a site; return what is to be shown now, if anything is.

        Args:
            role: what decides, beside its own form, which reductions of it are needed.
            metrics: who is to see it, the same for each role.
            site: where it is.
            seen: what is there; unless it may be kept, only its reductions are.
        """
        role, held = (*role, seen.form()), seen.held()
        key = (*role, seen.alike(), held is None)
        layers = self._layers.get(key)
        if layers is None:
            needed = self._needed.get(role)
            if held is not None:
                layers = _Held(role, metrics, needed or (), held)
            elif needed is None:
                return Shown(role, metrics, [site], seen)
            else:
                layers = _Layers(role, metrics, needed, seen)
            self._layers[key] = layers
        layers.add(site, held or seen)
        return layers.shown() if layers.full else None

    def learn(self, shown: Shown) -> None:
        """Remember which reductions were needed of what was shown with all that there is."""
        if not shown.seen.is_bare:
            self._needed[shown.role] = tuple(shown.seen.reductions)

    def rest(self) -> list[Shown]:
        """Return what was not shown yet, and begin anew."""
        left = [layers.shown() for layers in self._layers.values() if layers.sites]
        self._layers = {}
        return left


@lru_cache(maxsize=64)
def _needed(metrics: tuple[Hashable, ...]) -> dict[tuple[Hashable, ...], tuple[Key, ...]]:
    """Return what is known of the reductions that metrics need, to be added to."""
    return {}


class _Alike:
    """Layers that are shown as one."""

    def __init__(
        self, role: tuple[Hashable, ...], metrics: Sequence[Metric], needed: Sequence[Key]
    ) -> None:
        self._role, self._metrics, self._needed = role, metrics, needed
        self._size = 0
        self.sites: list[Site] = []

    @property
    def full(self) -> bool:
        return len(self.sites) >= self._size

    def add(self, site: Site, seen: Reduced) -> None:
        raise NotImplementedError

    def shown(self) -> Shown:
        raise NotImplementedError


class _Held(_Alike):
    """Layers as they are."""

    def __init__(
        self,
        role: tuple[Hashable, ...],
        metrics: Sequence[Metric],
        needed: Sequence[Key],
        first: Reduced,
    ) -> None:
        super().__init__(role, metrics, needed)
        self._size = min(Gathering._LAYERS, Gathering._HELD // max(1, first.entries))
        self._kept: list[Reduced] = []

    def add(self, site: Site, seen: Reduced) -> None:
        self._kept.append(seen)
        self.sites.append(site)

    def shown(self) -> Shown:
        sites, self.sites = self.sites, []
        kept, self._kept = self._kept, []
        seen = type(kept[0]).together(kept)
        seen.prepare(self._needed)
        return Shown(self._role, self._metrics, sites, seen)


class _Layers(_Alike):
    """The reductions of layers."""

    def __init__(
        self,
        role: tuple[Hashable, ...],
        metrics: Sequence[Metric],
        needed: Sequence[Key],
        first: Reduced,
    ) -> None:
        super().__init__(role, metrics, needed)
        self._bare = first.bare()
        self._kinds: dict[Key, Any] = {}
        self._rows: dict[Key, list[Tensor]] = {}

    def add(self, site: Site, seen: Reduced) -> None:
        seen.prepare(self._needed)
        found = {key: seen.reduce(key) for key in self._needed}
        if not self._size:
            self._begin(found, len(seen.tokens))
        for key, value in found.items():
            for rows, part in zip(self._rows[key], _parts(value), strict=True):
                rows[len(self.sites)] = part
        self.sites.append(site)

    def _begin(self, found: dict[Key, Any], prompts: int) -> None:
        entries = [prompts * part[0].numel() for value in found.values() for part in _parts(value)]
        self._size = max(1, min(Gathering._LAYERS, Gathering._ENTRIES // max([1, *entries])))
        for key, value in found.items():
            self._kinds[key] = type(value)
            self._rows[key] = [
                part.new_empty((self._size, prompts, *part.shape[1:])) for part in _parts(value)
            ]

    def shown(self) -> Shown:
        sites, self.sites = self.sites, []
        seen = self._bare.bare()
        seen.positions = self._bare.positions.times(len(sites))
        for key, kind in self._kinds.items():
            parts = [rows[: len(sites)].flatten(0, 1) for rows in self._rows[key]]
            seen.reductions[key] = _whole(kind, parts)
        return Shown(self._role, self._metrics, sites, seen)


def _parts(value: Any) -> Sequence[Tensor]:  # noqa: ANN401 - whatever a reduction gives
    """Return the tensors of a reduction: none, one, or those of a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, Tensor) else value


def _whole(kind: type, parts: Sequence[Tensor]) -> Any:  # noqa: ANN401
    """Return what has these parts."""
    if issubclass(kind, Tensor):
        return parts[0]
    return kind(*parts) if parts else None
