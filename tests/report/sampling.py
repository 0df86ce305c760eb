"""Draw cells by a seed, and hold each against what it should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

MANY = 200


@dataclass(frozen=True)
class Cell:
    """A number as a format shows it."""

    where: str
    shown: str | float | None
    expected: float

    def check(self) -> None:
        said = f"{self.where}: {self.shown!r}, expected {self.expected!r}"
        if self.shown in (None, "", "–", "--") or self.shown != self.shown:
            assert math.isnan(self.expected), said
            return
        assert not math.isnan(self.expected), said
        assert abs(float(self.shown) - self.expected) <= self._reach, said

    @property
    def _reach(self) -> float:
        """Half of the last digit that is shown; of a number in full, its last bits."""
        least = 1e-9 * max(abs(self.expected), 1e-12)
        if not isinstance(self.shown, str):
            return least
        digits, _, power = self.shown.partition("e")
        after = len(digits.partition(".")[2])
        return 0.5 * 10.0 ** (int(power or 0) - after) * (1 + 1e-6) + least


def sampled(groups: Iterable[Sequence[Callable[[], Cell]]], seed: int) -> list[Cell]:
    """Return 200 cells, as many of each group as it has its share of, or all it has."""
    groups = [group for group in groups if group]
    rng = np.random.default_rng(seed)
    order = [list(rng.permutation(len(group))) for group in groups]
    chosen: list[Cell] = []
    while len(chosen) < MANY and any(order):
        for group, places in zip(groups, order, strict=True):
            if places and len(chosen) < MANY:
                chosen.append(group[places.pop()]())
    return chosen


def check(groups: Iterable[Sequence[Callable[[], Cell]]], seed: int) -> None:
    cells = sampled(groups, seed)
    assert len(cells) == MANY
    defined = [cell for cell in cells if not math.isnan(cell.expected)]
    assert len(defined) > MANY / 2
    for cell in cells:
        cell.check()
