"""Figures drawn in a process of their own."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from cortexscope.document import Beside, Figure, Line, Lines
from cortexscope.document.drawing import beside
from cortexscope.document.drawing.matplotlib import pictures

pytestmark = pytest.mark.slow


def _figure(key: str, panels: int) -> Figure:
    x = np.arange(4.0)
    lines = Lines(key, "x", "y", (Line("m", 0, x, x**2, x**2 - 1, x**2 + 1),))
    return Figure(key, key, "", (lines,) * panels)


FIGURES = (_figure("one", 7), _figure("two", 7), Figure("none", "none", "", ()))


@pytest.mark.parametrize("broken", [False, True])
def test_it_draws_the_same_bytes(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Beside(("png", "svg", "still")) as drawing:
        for own in FIGURES:
            drawing.draw(own)
        assert (drawing._process is None) == broken
        if not broken:
            # Nothing is drawn here.
            monkeypatch.setattr(beside, "_pictures", None)
        found = drawing.pictures()
    assert list(found) == ["one", "two"]
    for own in FIGURES[:2]:
        drawn = dict(
            zip(("png", "svg", "still"), pictures(own, ("png", "svg", "still")), strict=True)
        )
        assert found[own.key] == drawn


def test_one_that_is_killed_is_made_up_for() -> None:
    with Beside(("still",)) as drawing:
        for own in FIGURES:
            drawing.draw(own)
        assert drawing._process is not None
        drawing._process.kill()
        drawing._process.wait()
        found = drawing.pictures()
    assert found["two"] == {"still": pictures(FIGURES[1], ("still",))[0]}


def test_few_panels_start_no_process() -> None:
    with Beside(("still",)) as drawing:
        drawing.draw(_figure("one", 2))
        assert drawing._process is None
        assert list(drawing.pictures()) == ["one"]


def test_a_still_is_small() -> None:
    large, small = pictures(_figure("one", 4), ("png", "still"))
    assert len(small) < len(large) / 2
    sizes = [Image.open(io.BytesIO(own)).size for own in (large, small)]
    assert sizes[1] == tuple(-(-size // 2) for size in sizes[0])
