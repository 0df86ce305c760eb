"""A brain from the left, drawn for cortexscope: smooth outlines, and where names stand."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUND", "HEIGHT", "INNER", "SHAPES", "SULCI", "WIDTH", "Shape", "outline"]

WIDTH, HEIGHT = 100.0, 84.0
"""What the drawing fills, from 0, upwards."""

_Points = tuple[tuple[float, float], ...]

# Arcs that regions share; each begins where another ends.
_ARCS: dict[str, _Points] = {
    "brow": ((29, 33), (24, 30.5), (17, 30), (10, 32), (5, 37), (3.2, 44), (4.5, 52), (9, 60.5),
             (16, 67.5), (25, 72.5), (33, 75.3), (40, 76.4)),
    "crown": ((40, 76.4), (46, 77.2), (52, 77.2)),
    "vertex": ((52, 77.2), (60, 76.4), (68, 73.8), (75, 69.5), (80.5, 64.3)),
    "pole": ((80.5, 64.3), (87, 57), (92.5, 48.5), (95.3, 40.5), (94.3, 33.5), (89, 28), (82, 24.8),
             (76.5, 23.6)),
    "belly": ((76.5, 23.6), (69, 20.2), (60, 16.6), (50, 13.6), (40, 12.6), (31, 14.2),
              (25, 18.2), (22.8, 23.6), (24.6, 29), (29, 33)),
    "fissure_front": ((29, 33), (34, 36), (40, 38.6), (46, 40.2)),
    "fissure_back": ((46, 40.2), (50, 41.2), (55, 42.6)),
    "precentral": ((40, 76.4), (39.2, 70), (40.3, 63), (39, 56.5), (40, 51.5)),
    "broca_top": ((40, 51.5), (35, 52.6), (29.5, 51), (25.6, 46.6), (25.2, 40.5), (29, 33)),
    "broca_back": ((40, 51.5), (42.4, 47), (43.2, 43), (43.2, 39.5)),
    "central": ((52, 77.2), (50.4, 70.5), (51.6, 63.5), (49.6, 56), (50, 49), (46.6, 43.5),
                (46, 40.2)),
    "wernicke_top": ((55, 42.6), (56.4, 48), (61.5, 50.6), (66.5, 49.6), (71, 51.4), (76.4, 47.4)),
    "wernicke_bottom": ((76.4, 47.4), (76.6, 40.5), (72.4, 36.4), (65.5, 33.6), (58, 33.2),
                        (54.4, 37.4), (55, 42.6)),
    "lunate": ((80.5, 64.3), (77.4, 58), (79, 52.4), (76.4, 47.4)),
    "notch": ((76.6, 40.5), (76.8, 34.4), (75.2, 29), (76.5, 23.6)),
}  # fmt: skip

_CEREBELLUM: _Points = (
    (61, 14.6), (66, 18), (73, 20.6), (80, 22), (87, 21.6), (91.4, 17.6), (91, 11.4), (86, 6),
    (78, 3.2), (70, 3.4), (64, 6.4), (61, 10.4),
)  # fmt: skip
_STEM: _Points = (
    (52, 16), (53, 9), (54, 2), (55, -1), (60, -1), (60.6, 4), (62.5, 10), (66, 17), (60, 19),
)  # fmt: skip


class Shape(NamedTuple):
    """A region of the drawing."""

    points: NDArray[np.float64]
    """Its outline, closed, [point, 2]."""
    name: str
    """What is written, in a word."""
    at: tuple[float, float]
    """Where the middle of the name stands."""
    leader: tuple[float, float] | None = None
    """Where a line from the name ends; None where the name stands in the region."""

    @property
    def side(self) -> Literal["middle center", "top center", "bottom center"]:
        """On which side of its place the name is written, so that no line crosses it."""
        if self.leader is None:
            return "middle center"
        return "top center" if self.at[1] > self.leader[1] else "bottom center"


def outline(points: _Points, *, closed: bool, steps: int = 5) -> NDArray[np.float64]:
    """Return a smooth curve through points (Catmull and Rom 1974), [point, 2].

    An open one ends at its last point, a closed one before its first.
    """
    knots = np.array(points, dtype=np.float64)
    around = (
        np.concatenate([knots[-1:], knots, knots[:2]])
        if closed
        else np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    )
    before, first, last, after = (around[i : len(around) - 3 + i, None] for i in range(4))
    t = (np.arange(steps) / steps)[None, :, None]
    square = 2 * before - 5 * first + 4 * last - after
    cube = 3 * (first - last) + after - before
    curve = first + 0.5 * (t * (last - before) + t**2 * square + t**3 * cube)
    found = curve.reshape(-1, 2)
    return found if closed else np.concatenate([found, knots[-1:]])


def _joined(*names: str) -> NDArray[np.float64]:
    """Return arcs one after the other; one whose name begins with - is walked back."""
    parts = []
    for name in names:
        arc = outline(_ARCS[name.lstrip("-")], closed=False)
        parts.append(arc[::-1] if name.startswith("-") else arc)
    return np.concatenate(parts).round(1)


def _ellipse(x: float, y: float, width: float, height: float, turn: float) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 25)
    across, up = width / 2 * np.cos(angle), height / 2 * np.sin(angle)
    tilt = np.deg2rad(turn)
    turned = (
        x + across * np.cos(tilt) - up * np.sin(tilt),
        y + across * np.sin(tilt) + up * np.cos(tilt),
    )
    return np.stack(turned, axis=1).astype(np.float64).round(1)


@cache
def _ground() -> tuple[NDArray[np.float64], ...]:
    whole = _joined("brow", "crown", "vertex", "pole", "belly")
    return np.round(outline(_STEM, closed=True), 1), whole


GROUND = _ground()
"""The stem, and the whole hemisphere, which lie below the regions."""

SHAPES = {
    "prefrontal": Shape(
        _joined("brow", "precentral", "broca_top"), "prefrontal", (17, 51.5)
    ),
    "broca": Shape(_joined("-broca_top", "broca_back"), "Broca", (34, 44.5)),
    "parietal": Shape(
        _joined("vertex", "lunate", "-wernicke_top", "-fissure_back", "-central"),
        "parietal", (63.5, 60.5),
    ),
    "wernicke": Shape(_joined("wernicke_top", "wernicke_bottom"), "Wernicke", (65.4, 42.2)),
    "visual": Shape(_joined("pole", "-notch", "-lunate"), "visual", (85.5, 41)),
    "temporal": Shape(
        _joined("fissure_front", "fissure_back", "-wernicke_bottom", "notch", "belly"),
        "temporal", (44, 32.5),
    ),
    "cerebellum": Shape(np.round(outline(_CEREBELLUM, closed=True), 1), "cerebellum", (76.5, 12)),
    "cingulate": Shape(_ellipse(29.5, 64.5, 14, 5, 36), "cingulate", (12, 78), (25.5, 65.6)),
    "amygdala": Shape(_ellipse(34, 21, 7, 5.6, 0), "amygdala", (12, 12), (31.2, 19.6)),
    "hippocampus": Shape(_ellipse(52, 21.5, 19, 4.6, 14), "hippocampus", (31, 3.5), (47, 18.6)),
}  # fmt: skip
"""The regions, from the back to the front of the drawing."""

_FOLDS: tuple[_Points, ...] = (
    ((6.5, 47), (11, 45), (16, 46.4), (21, 43.6)),
    ((12, 59), (17, 60.6), (21.5, 58.4)),
    ((8.5, 38), (13, 37), (18, 39), (22, 36.6)),
    ((33, 72), (33.6, 66.6), (36, 61), (34.4, 56.6)),
    ((58, 72.4), (57, 67), (59, 62), (56, 57)),
    ((70, 69), (72.6, 64), (71.4, 59), (73.6, 55.4)),
    ((82.5, 55), (86, 51.5), (85, 48)),
    ((81, 34), (82, 30.4), (86.4, 30.6)),
    ((28, 27), (35, 28.4), (42, 27.4), (49, 28.6), (57, 28), (65, 30), (72, 28.6)),
    ((40, 15.4), (47, 17), (54, 17.6)),
    ((63.6, 14.4), (70, 17.4), (78, 18.4), (86, 18.4)),
    ((64, 8.4), (70, 6.6), (78, 6), (86, 8.2)),
)
SULCI = tuple(np.round(outline(fold, closed=False), 1) for fold in _FOLDS)
"""Folds that say nothing, and make it look like a brain."""

INNER = frozenset({"cingulate", "amygdala", "hippocampus"})
"""Those that lie inside, and are drawn as seen through the surface."""
