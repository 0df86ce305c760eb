from __future__ import annotations

import numpy as np
import pytest

from cortexscope.document import (
    PANELS,
    Area,
    Brain,
    Figure,
    HeatMap,
    Line,
    Lines,
    Panel,
    Points,
    Range,
    Ranges,
    Raster,
    Scatter,
)
from cortexscope.document.drawing import none
from cortexscope.testing import check_panel

_X = np.array([0.0, 0.5, 1.0])
_Y = np.array([1.0, np.nan, 3.0])

_AREAS = (
    Area("visual", "Visual $cortex$", 0.4, 1.25, 1.1, 1.5, 9, "a metric <b>of</b> layers 1 to 2"),
    Area("cingulate", "Anterior cingulate", -0.04, 0.5, np.nan, np.nan, 9, "another"),
    Area("broca", "Broca's area", np.nan, np.nan, np.nan, np.nan, 0, "there is no MLP"),
)

MADE: tuple[Panel, ...] = (
    HeatMap("map", ("a", "b", "a"), ("m", "n"), np.array([[1.0, 2.0], [3.0, np.nan], [0.5, 9.0]])),
    Lines("lines", "depth", "norm", (Line("m", 0, _X, _Y, _Y - 1, _Y + 1),), log=True),
    Ranges("ranges", "nats", ("a", "b", "c"), (Range("raw", 0, _Y, _Y - 1, _Y + 1),)),
    Raster("raster", "Expert", "Layer", "load", 2, np.array([[0.5, 0.5], [np.nan, 0.0]])),
    Scatter("cloud", "tokens", "nats", (Points("m", 0, _X, _Y, ("p", "q", "r"), "r = 1"),)),
    Brain("brain", _AREAS, 1.0, "standard deviations"),
)


@pytest.mark.parametrize("panel", MADE, ids=lambda panel: type(panel).__name__)
def test_every_kind_of_panel_keeps_the_contract(panel: Panel) -> None:
    check_panel(panel)


def test_every_kind_is_checked() -> None:
    assert {type(panel) for panel in MADE} == set(PANELS)


def test_a_figure_that_is_not_drawn_is_its_numbers() -> None:
    found = none.draw(Figure("f", "Title", "A caption.", (MADE[1], MADE[4]), notes=("a note",)))
    assert (found.key, found.notes) == ("f", ("A caption.", "a note"))
    lines, cloud = found.parts
    assert lines.texts()[0] == ["m", "0.0000", "1.0000", "0.0000", "2.0000"]
    assert cloud.texts()[1] == ["m", "q", "0.5000", "–"]
