from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.text import Text

from cortexscope.document import (
    PANELS,
    Area,
    Box,
    Boxes,
    Brain,
    Figure,
    HeatMap,
    Join,
    Line,
    Lines,
    Panel,
    Points,
    Radar,
    Range,
    Ranges,
    Raster,
    Round,
    Scatter,
    Strip,
    Tree,
    Width,
    draw,
    save,
)
from cortexscope.document.drawing import none
from cortexscope.document.panels._panel import Place
from cortexscope.testing import check_panel

_X = np.array([0.0, 0.5, 1.0])
_Y = np.array([1.0, np.nan, 3.0])
_LINES = Lines("lines", "depth", "norm", (Line("m", 0, _X, _Y, _Y - 1, _Y + 1),), log=True)
_CLOUD = Scatter("cloud", "tokens", "nats", (Points("m", 0, _X, _Y, ("p", "q", "r"), "r = 1"),))

_AREAS = (
    Area("visual", "Visual $cortex$", 0.4, 1.25, 1.1, 1.5, 9, "a metric <b>of</b> layers 1 to 2"),
    Area("cingulate", "Anterior cingulate", -0.04, 0.5, np.nan, np.nan, 9, "another"),
    Area("broca", "Broca's area", np.nan, np.nan, np.nan, np.nan, 0, "there is no MLP"),
)

MADE: tuple[Panel, ...] = (
    Boxes(
        "boxes",
        "nats",
        ("a", "b"),
        (Box.of("m", 0, [(np.arange(40.0), [f"p{n}" for n in range(40)]), (np.empty(0), [])]),),
    ),
    HeatMap("map", ("a", "b", "a"), ("m", "n"), np.array([[1.0, 2.0], [3.0, np.nan], [0.5, 9.0]])),
    _LINES,
    Ranges("ranges", "nats", ("a", "b", "c"), (Range("raw", 0, _Y, _Y - 1, _Y + 1),)),
    Raster("raster", "Expert", "Layer", "load", 2, np.array([[0.5, 0.5], [np.nan, 0.0]])),
    _CLOUD,
    Radar("radar", ("a", "b", "c"), (Round("m", 0, _Y - 2),)),
    Strip("strip", "nats", tuple("abcdefghijkl"), np.array([1.0, np.nan, *range(10)])),
    Tree("tree", "distance", ("a", "b", "c"), (Join(0, 2, 0.5), Join(1, 3, 1.25))),
    Brain("brain", _AREAS, 1.0, "standard deviations"),
)


@pytest.mark.parametrize("scale", [("column's\nlowest", "column's\nhighest"), ("-0.5", "+0.5")])
def test_a_scale_of_colours_says_what_its_ends_are(scale: tuple[str, str]) -> None:
    from plotly.subplots import make_subplots

    canvas = make_subplots(1, 1)
    panel = HeatMap("map", ("a",), ("m", "n"), np.array([[1.0, 2.0]]), scale=scale)
    panel.plotly(canvas, Place(1, 1, (0.0, 1.0)), set())
    bar = canvas.layout.coloraxis.colorbar
    assert bar.title.text is None
    assert [text.replace("<br>", "\n") for text in bar.ticktext] == [*scale]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 34])
def test_ranges_stay_in_their_rows(count: int) -> None:
    every = tuple(Range(f"m{n}", n, _Y, _Y - 1, _Y + 1) for n in range(count))
    panel = Ranges("ranges", "nats", ("a", "b", "c"), every)
    offsets = panel.offsets()
    assert len(offsets) == count
    assert np.abs(offsets).max() < 0.45
    assert np.allclose(offsets, -offsets[::-1])
    # Five pixels apart in a row, or as many as there is room for.
    apart = np.diff(offsets) * panel.pixels / 3
    assert (apart > min(5, 100 / count)).all()


@pytest.mark.slow
@pytest.mark.parametrize("panel", MADE, ids=lambda panel: type(panel).__name__)
def test_every_kind_of_panel_keeps_the_contract(panel: Panel) -> None:
    check_panel(panel)


def test_every_kind_is_checked() -> None:
    assert {type(panel) for panel in MADE} == set(PANELS)


def test_a_figure_that_is_not_drawn_is_its_numbers() -> None:
    found = none.draw(Figure("f", "Title", "A caption.", (_LINES, _CLOUD), notes=("a note",)))
    assert (found.key, found.notes) == ("f", ("A caption.", "a note"))
    lines, cloud = found.parts
    assert lines.texts()[0] == ["m", "0.0000", "1.0000", "0.0000", "2.0000"]
    assert cloud.texts()[1] == ["m", "q", "0.5000", "–"]


@pytest.mark.slow
def test_more_that_a_kind_of_panel_can_show_keeps_the_contract() -> None:
    names = ("p", "q", "r")
    check_panel(Lines("lines", "layer", "nats", (Line("m", 0, _X, _Y, places=names),)))
    cloud = Points("m", 0, _X + 1, _Y, names, "", _Y - 1, _Y + 1)
    check_panel(Scatter("cloud", "size", "nats", (cloud,), named=True, log=True))
    check_panel(Raster("map", "Layer", "", "count", 0, np.eye(2), row_names=("m", "n")))
    check_panel(Ranges("ranges", "nats", ("a",), (Range("m", 0, _X[:1], _X[:1], _Y[:1]),), 0.0))
    far = Range("m", 0, np.array([1e-5, 3.0]), np.array([0.0, 2.0]), np.array([1e-4, 4.0]))
    check_panel(Ranges("ranges", "nats", ("a", "b"), (far,), log=True))


def test_an_interval_down_to_0_ends_with_the_least_that_a_logarithmic_axis_shows() -> None:
    from plotly.subplots import make_subplots

    one = Range("m", 0, np.array([1e-5, 3.0]), np.array([0.0, 2.0]), np.array([1e-4, 4.0]))
    canvas = make_subplots(1, 1)
    Ranges("ranges", "nats", ("a", "b"), (one,), log=True).plotly(
        canvas, Place(1, 1, (0.0, 1.0)), set()
    )
    (trace,) = canvas.data
    assert canvas.layout.xaxis.type == "log"
    assert np.subtract(trace.x, trace.error_x.arrayminus) == pytest.approx([1e-5, 2.0])
    # What is told beside it is the interval as it is.
    assert trace.customdata[0][0] == 0


def test_a_box_has_the_quantiles_and_names_what_lies_beyond_the_whiskers() -> None:
    values = np.random.default_rng(0).normal(size=60)
    box = Box.of("m", 0, [(values, [f"p{n}" for n in range(60)])])
    np.testing.assert_allclose(box.quantiles[0], np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]))
    low, high = np.quantile(values, [0.05, 0.95])
    beyond = [f"p{n}" for n, value in enumerate(values) if not low <= value <= high]
    assert [own.name for own in box.far] == beyond


def test_the_branches_of_a_tree_do_not_cross_and_meet_at_their_distance() -> None:
    tree = Tree("t", "d", tuple("abcd"), (Join(0, 3, 1.0), Join(1, 2, 2.0), Join(4, 5, 3.0)))
    assert tree.order() == (0, 3, 1, 2)
    xs, ys = tree.branches()[-1]
    assert xs == (1.0, 3.0, 3.0, 2.0)
    assert ys == (0.5, 0.5, 2.5, 2.5)


def test_the_middle_of_a_radar_is_its_lowest_ring() -> None:
    radar = Radar("r", ("a", "b", "c", "d"), (Round("m", 0, np.array([-2.0, 2.0, 0.0, 1.0])),))
    x, y = radar.places(np.array([radar.rings[0], radar.rings[-1], radar.rings[-1], np.nan]))
    np.testing.assert_allclose(x[:3], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(y[:3], [0, 0, -1], atol=1e-12)


@pytest.mark.parametrize("kind", [Ranges, Raster, Strip])
@pytest.mark.parametrize("count", [2, 12, 20])
def test_many_panels_are_no_ribbon_and_their_titles_do_not_meet(
    kind: type[Panel], count: int
) -> None:
    one = next(panel for panel in MADE if type(panel) is kind)
    titles = [f"A measure of attention: a-model-{n}" for n in range(count)]
    panels = tuple(replace(one, title=title) for title in titles)  # type: ignore[type-var]
    drawn = draw(Figure("many", "Many", "A caption.", panels, columns=1))
    drawn.draw_without_rendering()
    wide, high = drawn.get_size_inches()
    # Texts over their tokens are as wide as a figure of one column.
    assert high <= 2.5 * wide or kind is Strip
    boxes = [axes.title.get_window_extent() for axes in drawn.axes if axes.get_title()]
    assert len(boxes) == count
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert all(box.x0 >= 0 and box.x1 <= 100 * wide for box in boxes)


def test_scales_and_numbers_of_small_panels_do_not_meet() -> None:
    spread = _Y * 1e-3
    name = "Normalised attention entropy (share of ln n)"
    many: dict[str, Panel] = {
        "scales": Raster("grid", "Head", "Layer", name, 1, np.ones((12, 8))),
        "numbers": Ranges("ranges", name, tuple("abc"), (Range("raw", 0, spread, spread, spread),)),
    }
    for key, panel in many.items():
        drawn = draw(Figure(key, "Many", "A caption.", (panel,) * 12, columns=1))
        drawn.draw_without_rendering()
        scales = [axes.yaxis.label for axes in drawn.axes if not axes.get_title()]
        groups = [scales] if key == "scales" else [a.get_xticklabels() for a in drawn.axes]
        for group in groups:
            boxes = [text.get_window_extent() for text in group if text.get_text()]
            assert len(boxes) > 1
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "millimetres"), [("one", 85.0), ("two", 178.0)])
@pytest.mark.parametrize("panel", MADE, ids=lambda panel: type(panel).__name__)
def test_a_figure_in_print_is_as_wide_as_asked_and_its_texts_can_be_read(
    panel: Panel, width: Width, millimetres: float, tmp_path: Path
) -> None:
    figure = Figure("f", "A title that is longer than one line of a column", "", (panel,) * 4)
    path = tmp_path / "f.svg"
    save(figure, [path], width=width)
    head = path.read_text()
    points = float(re.search(r'<svg [^>]*width="([0-9.]+)pt"', head)[1])  # type: ignore[index]
    assert points == pytest.approx(millimetres / 25.4 * 72, rel=1e-3)
    with rc_context({"font.size": 6.9}):
        drawn = draw(figure, width=width)
    sizes = [float(text.get_fontsize()) for text in drawn.findobj(Text) if text.get_text()]
    assert min(sizes) >= 5.99
