"""Keep the reductions of many layers side by side, to show them to metrics as one.

A metric's formula is a dozen calls on a few small tensors, and there are dozens of metrics: layer
by layer the calls alone take longer than what they compute.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
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
    """What decides which reductions of it are needed."""
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
                most = min(self._LAYERS, self._HELD // max(1, held.entries))
                layers = _Held(role, metrics, needed or (), most)
            elif needed is None:
                return Shown(role, metrics, [site], seen)
            else:
                layers = _Layers(role, metrics, needed, 0, bare=seen.bare())
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


@dataclass(eq=False)
class _Alike:
    """Layers that are shown as one."""

    role: tuple[Hashable, ...]
    metrics: Sequence[Metric]
    needed: Sequence[Key]
    size: int
    """How many layers there is room for; 0 before it is known."""
    sites: list[Site] = field(default_factory=list)

    @property
    def full(self) -> bool:
        return len(self.sites) >= self.size

    def add(self, site: Site, seen: Reduced) -> None:
        raise NotImplementedError

    def shown(self) -> Shown:
        raise NotImplementedError


@dataclass(eq=False)
class _Held(_Alike):
    """Layers as they are."""

    kept: list[Reduced] = field(default_factory=list)

    def add(self, site: Site, seen: Reduced) -> None:
        self.kept.append(seen)
        self.sites.append(site)

    def shown(self) -> Shown:
        sites, self.sites = self.sites, []
        kept, self.kept = self.kept, []
        seen = type(kept[0]).together(kept)
        seen.prepare(self.needed)
        return Shown(self.role, self.metrics, sites, seen)


@dataclass(eq=False)
class _Layers(_Alike):
    """The reductions of layers."""

    bare: Reduced = field(kw_only=True)
    kinds: dict[Key, Any] = field(default_factory=dict)
    rows: dict[Key, list[Tensor]] = field(default_factory=dict)

    def add(self, site: Site, seen: Reduced) -> None:
        seen.prepare(self.needed)
        found = {key: seen.reduce(key) for key in self.needed}
        if not self.size:
            self._begin(found, len(seen.tokens))
        for key, value in found.items():
            for rows, part in zip(self.rows[key], _parts(value), strict=True):
                rows[len(self.sites)] = part
        self.sites.append(site)

    def _begin(self, found: dict[Key, Any], prompts: int) -> None:
        entries = [prompts * part[0].numel() for value in found.values() for part in _parts(value)]
        self.size = max(1, min(Gathering._LAYERS, Gathering._ENTRIES // max([1, *entries])))
        for key, value in found.items():
            self.kinds[key] = type(value)
            self.rows[key] = [
                part.new_empty((self.size, prompts, *part.shape[1:])) for part in _parts(value)
            ]

    def shown(self) -> Shown:
        sites, self.sites = self.sites, []
        seen = self.bare.bare()
        seen.positions = self.bare.positions.times(len(sites))
        for key, kind in self.kinds.items():
            parts = [rows[: len(sites)].flatten(0, 1) for rows in self.rows[key]]
            seen.reductions[key] = _whole(kind, parts)
        return Shown(self.role, self.metrics, sites, seen)


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
