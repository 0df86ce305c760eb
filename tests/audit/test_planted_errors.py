"""A figure of the published tables that is changed is found, wherever it stands."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from audit.made_tables import DATA, TASKS, Figure, cells_of, figures_of, planted, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexscope.audit import WrongFigure
from cortexscope.audit._grid import read_grid
from cortexscope.audit._published import read_published
from cortexscope.audit._records import Checked
from cortexscope.audit._tables import check_tables

_MADE = text_of(cells_of())


def _checked(text: str, folder: Path) -> Checked:
    path = folder / "tables.txt"
    path.write_text(text, encoding="utf-8")
    published = read_published(path)
    assert published is not None
    return check_tables(published, read_grid(published))


@cache
def _real() -> str:
    files = sorted(DATA.glob("llm_brain_analysis_tables_*.txt"))
    if not files:
        pytest.skip(f"the published tables are not in {DATA}")
    return files[0].read_text(encoding="utf-8")


def _names(wrong: WrongFigure, figure: Figure, new: str, row: list[str]) -> bool:
    """Whether it is the planted figure, with all that is needed to find it."""
    place = wrong.place == f"line {figure.line}" and wrong.column == figure.column
    table = wrong.table == f"Table {figure.table}"
    return place and table and wrong.printed == new and any(word in wrong.row for word in row)


def _alternative(wrong: WrongFigure, figure: Figure, row: list[str]) -> bool:
    labels = [word for word in row if word in TASKS or re.search("[a-z]_[a-z]", word)]
    return any(
        figure.column in other and all(label in other for label in labels)
        for other in wrong.or_else
    )


def _assert_found(text: str, figure: Figure, units: int, folder: Path) -> None:
    new = figure.moved(units)
    wrong = _checked(planted(text, figure, new), folder).wrong
    row = text.splitlines()[figure.line - 1].split()
    named = [each for each in wrong if _names(each, figure, new, row)]
    assert named or any(_alternative(each, figure, row) for each in wrong), wrong
    for each in named:
        # A cell follows from rounded averages: to half a unit for each of the cells averaged.
        cells = 6 * 10.0**-figure.decimals if figure.decimals else 0.0
        assert float(each.recomputed) == pytest.approx(float(figure.text), abs=cells + 1e-4)
    assert len(wrong) == 1, "other figures are accused too"


def test_a_file_made_by_the_rules_has_no_wrong_figure(tmp_path: Path) -> None:
    checked = _checked(_MADE, tmp_path)
    assert checked.wrong == ()
    assert checked.figures >= len(figures_of(_MADE))


def test_the_published_file_has_no_wrong_figure(tmp_path: Path) -> None:
    checked = _checked(_real(), tmp_path)
    assert checked.wrong == ()
    assert checked.figures >= len(figures_of(_real())) == 662


@settings(
    max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    figure=st.sampled_from(figures_of(_MADE)),
    size=st.integers(10, 3000),
    sign=st.sampled_from((-1, 1)),
)
def test_any_figure_changed_visibly_is_named(
    figure: Figure, size: int, sign: int, tmp_path: Path
) -> None:
    _assert_found(_MADE, figure, sign * size, tmp_path)


@settings(
    max_examples=12, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_any_published_figure_changed_visibly_is_named(data: st.DataObject, tmp_path: Path) -> None:
    figure = data.draw(st.sampled_from(figures_of(_real())))
    size = data.draw(st.integers(10, 3000)) * data.draw(st.sampled_from((-1, 1)))
    _assert_found(_real(), figure, size, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "table", "column"),
    [
        ("Total Models: 4", "Total Models: 5", "heading", ""),
        ("Total Categories: 6", "Total Categories: 7", "heading", ""),
        ("TABLE 4: ARCH", "TABLE 5: ARCH", "Table 4", ""),
        ("Top 5 by Final Activation", "Top 6 by Final Activation", "Table 6", ""),
        ("bigscience/bloom-560m", "bigscience/bloom-560n", "Table 1", "Model_Name"),
        ("559.2M", "559.3M", "Table 1", "Parameters"),
    ],
)
def test_a_changed_count_or_label_is_named(
    old: str, new: str, table: str, column: str, tmp_path: Path
) -> None:
    wrong = _checked(_MADE.replace(old, new, 1), tmp_path).wrong
    assert len(wrong) == 1
    assert (wrong[0].table, wrong[0].column) == (table, column)
    assert wrong[0].printed in (new, re.sub(r"\D+", "", new), new.partition(":")[0])


def test_two_rows_of_a_list_that_change_places_are_named(tmp_path: Path) -> None:
    lines = _MADE.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Top 5 by Attention")) + 2
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    (wrong,) = _checked("\n".join(lines), tmp_path).wrong
    assert (wrong.table, wrong.part, wrong.kind) == (
        "Table 6",
        "Top 5 by Attention Entropy",
        "order",
    )
    assert wrong.row == "rank 1"


def test_a_row_of_table_1_that_is_missing_is_named(tmp_path: Path) -> None:
    lines = _MADE.splitlines()
    gone = next(n for n, line in enumerate(lines) if "gpt2" in line and "technical_code" in line)
    wrong = _checked("\n".join([*lines[:gone], *lines[gone + 1 :]]), tmp_path).wrong
    assert ("Table 1", "GPT2-117M technical_code", "no row") in [
        (each.table, each.row, each.printed) for each in wrong
    ]


def test_two_planted_errors_are_both_named(tmp_path: Path) -> None:
    figures = figures_of(_MADE)
    first = next(f for f in figures if f.table == 1 and f.column == "Attention_Entropy")
    second = next(f for f in figures if f.table == 2 and f.column == "Final_Activation")
    text = planted(planted(_MADE, second, second.moved(99)), first, first.moved(-500))
    places = {each.place for each in _checked(text, tmp_path).wrong}
    assert places == {f"line {first.line}", f"line {second.line}"}


@pytest.mark.parametrize(("ddof", "word"), [(1, "n - 1 (tried both"), (0, "n (tried both")])
def test_the_divisor_of_standard_deviations_is_found_by_trying(
    ddof: int, word: str, tmp_path: Path
) -> None:
    checked = _checked(text_of(cells_of(), ddof=ddof), tmp_path)
    assert checked.wrong == ()
    assert checked.ddof == ddof
    assert checked.conventions[0].found.startswith(word)


def test_tables_of_a_run_pass_the_audit_in_both_formats(tmp_path: Path) -> None:
    from report.made_runs import SMALL, make_run

    from cortexscope.audit._given import read_given
    from cortexscope.report import write_tables

    run = make_run(tmp_path / "run", [SMALL], tasks=TASKS[:3], prompts=2)
    for path in write_tables(run, formats=("text", "xlsx")):
        published = read_given([path]).published
        assert published is not None
        checked = check_tables(published, read_grid(published))
        assert checked.wrong == ()
        assert checked.figures > 60
