"""Files of the study that stand twice, are numbered wrongly, or are of one model only."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_audits import made_audit
from audit.made_tables import METRICS, TASKS, cells_of, figures_of, planted, text_of

from cortexscope.audit import audit_study
from cortexscope.audit._blame import _first, smallest_seen
from cortexscope.audit._grid import Cell, Grid, _relabelled, read_grid
from cortexscope.audit._published import Published, read_published
from cortexscope.audit._recompute import Derived, derive
from cortexscope.errors import UsageError


def _read(text: str, folder: Path) -> tuple[Published, Grid]:
    path = folder / "tables.txt"
    path.write_text(text, encoding="utf-8")
    published = read_published(path)
    assert published is not None
    return published, read_grid(published)


@pytest.mark.parametrize(
    ("old", "new", "numbers"),
    [
        ("TABLE 4: ARCH", "TABLE 4: ARCH", [4, 3, 5, 2]),
        ("TABLE 4: ARCH", "TABLE 5: ARCH", [5, 3, 5, 2]),
        ("TABLE 2: MODEL", "TABLE 3: MODEL", [4, 3, 5, 3]),
        ("TABLE 4: ARCHITECTURE COMPARISON", "TABLE 4: BOTH", [None, 3, 5, 2]),
    ],
)
def test_a_number_that_stands_twice_hides_no_table(
    old: str, new: str, numbers: Sequence[int | None], tmp_path: Path
) -> None:
    text = text_of(cells_of()).replace(old, new, 1)
    check = made_audit(cells_of(), tmp_path, text=text)["paper"].readings[1].check
    assert [quantity.found for quantity in check.quantities] == numbers
    known = sum(number is not None for number in numbers)
    # The README's numbers are 2, 3, 5 and 6.
    wrong = sum(
        number not in (None, due) for number, due in zip(numbers, (2, 3, 5, 6), strict=True)
    )
    assert check.sentence.startswith(f"{wrong} of {known} figures differ: ")


@pytest.mark.parametrize("suffix", [".py", ".txt", ".xlsx"])
def test_a_second_file_of_one_kind_is_refused_and_both_are_named(
    suffix: str, tmp_path: Path
) -> None:
    paths = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f"study{suffix}"
        if suffix == ".xlsx":
            heads = ["Task", "Model", "Brain_Region", "Activity_Level"]
            frame = pd.DataFrame([("Logic", "gpt2", "Amygdala", 0.5)], columns=heads)
            frame.to_excel(path, index=False)
        else:
            text = "entropy = 0\n" if suffix == ".py" else text_of(cells_of())
            path.write_text(text, encoding="utf-8")
        assert audit_study(published=[path]).files[0].name == path.name
        paths.append(path)
    said = (
        rf"^Both {re.escape(str(paths[0]))} and {re.escape(str(paths[1]))} .* give one of them\.$"
    )
    with pytest.raises(UsageError, match=said):
        audit_study(published=paths)
    # The same file is no second one.
    assert len(audit_study(published=[paths[0], paths[0]]).files) == 1


def _alone(model: str = "GPT2-117M") -> str:
    cells = cells_of()
    own = cells[cells["Model"] == model].reset_index(drop=True)
    return text_of(own).replace("Total Models: 4", "Total Models: 1")


def test_a_file_of_one_model_has_undefined_spreads_and_nothing_wrong(tmp_path: Path) -> None:
    text = _alone()
    assert text.count("NaN") == len(METRICS) * len(TASKS)
    path = tmp_path / "tables.txt"
    path.write_text(text, encoding="utf-8")
    audit = audit_study(published=[path])
    assert audit.wrong == ()
    assert "over the n = 1 model:" in audit.conventions[0].found


@pytest.mark.parametrize("column", METRICS)
def test_a_cell_of_a_file_of_one_model_is_blamed(column: str, tmp_path: Path) -> None:
    text = _alone()
    figure = next(f for f in figures_of(text) if f.table == 1 and f.column == column)
    new = figure.moved(50_000)
    path = tmp_path / "tables.txt"
    path.write_text(planted(text, figure, new), encoding="utf-8")
    (wrong,) = audit_study(published=[path]).wrong
    assert (wrong.kind, wrong.column, wrong.printed) == ("cell of Table 1", column, new)
    assert wrong.place == f"line {figure.line}"
    assert float(wrong.recomputed) == pytest.approx(float(figure.text), abs=1e-3)


_FULL = list(itertools.product(("A", "B", "C"), ("x", "y", "z")))


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (_FULL, {}),
        # One label that no other row has, in the place of the only combination that is missing.
        ([*_FULL[:-1], ("C", "w")], {("C", "w"): ("C", "z")}),
        ([*_FULL[:-1], ("D", "z")], {("D", "z"): ("C", "z")}),
        # Both labels are its own: nothing says that it is that row.
        ([*_FULL[:-1], ("D", "w")], {}),
        # Two odd rows, a row that is missing as well, or one that stands twice.
        ([*_FULL[:-2], ("C", "w"), ("D", "z")], {}),
        ([*_FULL[:-2], ("C", "w")], {}),
        ([*_FULL[:-1], ("C", "w"), ("A", "x")], {}),
        (_FULL[:-1], {}),
        # Of one model, or one task, each row has that label.
        ([("A", "x"), ("A", "y")], {}),
    ],
)
def test_a_row_takes_the_place_that_is_left_only_where_it_is_the_only_one(
    cells: list[Cell], found: dict[Cell, Cell]
) -> None:
    assert _relabelled(cells) == found
    assert _relabelled(cells[::-1]) == found


@pytest.mark.parametrize("column", ["Model", "Category"])
def test_a_relabelled_row_is_named_with_the_label_it_should_have(
    column: str, tmp_path: Path
) -> None:
    cells = cells_of()
    old = {"Model": "Phi-1", "Category": "technical_code"}
    lines = text_of(cells).splitlines()
    place = next(n for n, line in enumerate(lines) if all(word in line for word in old.values()))
    # The model's label, or the task's, and no other word of the line.
    lines[place] = lines[place].replace(f" {old[column]} ", " Other ", 1)
    text = "\n".join(lines)
    assert text.count(" Other ") == 1
    path = tmp_path / "tables.txt"
    path.write_text(text, encoding="utf-8")
    (wrong,) = (own for own in audit_study(published=[path]).wrong if own.table == "Table 1")
    assert (wrong.column, wrong.printed, wrong.recomputed) == (column, "Other", old[column])
    assert wrong.place == f"line {place + 1}"


def _seen_by_hand(own: Sequence[Derived], cell: Cell, grid: Grid, metric: str, unit: float) -> int:
    """Move a cell by one unit after another until a figure that was right is wrong."""
    values = dict(grid.values[metric])
    before = values[cell]
    for units in itertools.count(1):
        values[cell] = before + units * unit
        if not all(figure.right(values) for figure in own):
            return units
    raise AssertionError


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("place", [0, 5, 13])
def test_the_smallest_change_that_is_seen_is_that_of_trying_each(
    metric: str, place: int, tmp_path: Path
) -> None:
    published, grid = _read(text_of(cells_of()), tmp_path)
    own = [figure for figure in derive(published, grid, ddof=1) if figure.metric == metric]
    cell = list(grid.rows)[place]
    near = [figure for figure in own if cell in figure.cells]
    unit = 10.0**-4
    both = []
    for way in (unit, -unit):
        both.append(_seen_by_hand(near, cell, grid, metric, way))
        assert _first(near, cell, grid.values[metric], way) == both[-1]
    assert smallest_seen(own, cell, metric, grid) == pytest.approx(unit * max(both))


def test_a_change_that_no_figure_would_show_has_no_smallest(tmp_path: Path) -> None:
    published, grid = _read(_alone(), tmp_path)
    own = [figure for figure in derive(published, grid, ddof=1) if figure.metric == METRICS[0]]
    cell = next(iter(grid.rows))
    undefined = [figure for figure in own if figure.printed == "NaN"]
    assert len(undefined) == len(TASKS)
    assert smallest_seen(undefined, cell, METRICS[0], grid) is None
    assert smallest_seen([], cell, METRICS[0], grid) is None
    with_less = smallest_seen(own, cell, METRICS[0], grid)
    defined = [figure for figure in own if figure.printed != "NaN"]
    assert with_less == smallest_seen(defined, cell, METRICS[0], grid)
    assert with_less == pytest.approx(1e-4)


def test_an_undefined_spread_is_right_with_any_value_of_a_cell(tmp_path: Path) -> None:
    published, grid = _read(_alone(), tmp_path)
    sds = [figure for figure in derive(published, grid, ddof=1) if figure.kind == "sd"]
    trials = np.array([-1.0, 0.0, 99.0])
    for figure in sds:
        values = grid.values[figure.metric]
        assert figure.right(values)
        assert figure.right_with(figure.cells[0], trials, values).all()
