"""Figures drawn in a process of their own."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from cortexscope.document import Beside, Figure, Line, Lines
from cortexscope.document.drawing import beside
from cortexscope.document.drawing.matplotlib import Form, pictures

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
        while not broken and len(drawing._found) < 2:
            time.sleep(0.05)
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
        while drawing._process is None:
            time.sleep(0.01)
        drawing._process.kill()
        found = drawing.pictures()
    for own in FIGURES[:2]:
        assert found[own.key] == {"still": pictures(own, ("still",))[0]}


def test_what_has_not_begun_is_drawn_here_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [_figure(f"number {n}", 1 + n % 7) for n in range(12)]
    here: list[str] = []

    def drawn(figure: Figure, forms: Sequence[Form]) -> dict[Form, bytes]:
        here.append(figure.key)
        return dict(zip(forms, pictures(figure, forms), strict=True))

    monkeypatch.setattr(beside, "_pictures", drawn)
    with Beside(("still",)) as drawing:
        for own in every:
            drawing.draw(own)
        found = drawing.pictures()
    # While the process starts.
    assert here
    assert list(found) == [own.key for own in every]
    assert all(found[own.key]["still"] == pictures(own, ("still",))[0] for own in every)


def test_an_error_meanwhile_leaves_no_process() -> None:
    drawing = Beside(("still",))

    def fail() -> None:
        with drawing:
            for own in FIGURES:
                drawing.draw(own)
            while drawing._process is None:
                time.sleep(0.01)
            raise RuntimeError("here")

    with pytest.raises(RuntimeError, match="here"):
        fail()
    assert drawing._process is not None
    assert drawing._process.poll() is not None
    assert drawing._thread is not None
    assert not drawing._thread.is_alive()


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
