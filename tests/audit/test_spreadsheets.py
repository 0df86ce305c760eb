"""The study's other spreadsheets: what follows from their long sheet, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.made_tables import DATA

from cortexscope.audit import WrongFigure, audit_study

_TASKS = ("Arithmetic", "Story", "Logic")
_MODELS = ("bert-base", "gpt2", "phi")
_REGIONS = ("Amygdala", "Broca Area", "Cerebellum", "Visual Cortex")
Sheets = dict[str, pd.DataFrame]


def _long() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        [
            (task, model, region, region.lower().replace(" ", "_"), float(rng.uniform(0.1, 1)))
            for task in _TASKS
            for model in _MODELS
            for region in _REGIONS
        ],
        columns=["Task", "Model", "Brain_Region", "Brain_Region_Code", "Activity_Level"],
    )


def _sheets(long: pd.DataFrame) -> Sheets:
    """Sheets made of the long one, by pandas' pivots."""
    value = "Activity_Level"
    table = long.pivot_table(index="Task", columns="Model", values=value)
    region = long.pivot_table(index="Task", columns="Brain_Region", values=value)
    task = long.groupby("Task")[value]
    model = long.groupby("Model")[value]
    summary = pd.DataFrame(
        {
            "Dominant_Brain_Region": region.idxmax(axis=1),
            "Dominant_Region_Activity": region.max(axis=1),
            "Models_Tested": 3,
            "Total_Brain_Activity": task.sum(),
            "Average_Activity": task.mean(),
            "Activity_Std": task.std(),
        }
    )
    compared = pd.DataFrame(
        {
            "Overall_Brain_Activity": model.sum(),
            "Average_Activity": model.mean(),
            "Activity_Consistency": model.std(),
            "Tasks_Tested": 3,
        }
    )
    matrix = table.assign(
        Task_Avg=table.mean(axis=1), Task_Max=table.max(axis=1), Task_Min=table.min(axis=1),
        Task_Std=table.std(axis=1),
    )  # fmt: skip
    overview = {
        "Total Models Tested": 3,
        "Total Tasks Analyzed": 3,
        "Total Brain Regions Mapped": 4,
        "Total Data Points": len(long),
        "Best Overall Model": model.sum().idxmax(),
    }
    return {
        "Master": long,
        "Task_Summary": summary.reset_index(names="Task"),
        "Model_Comparison": compared.reset_index(names="Model"),
        "Performance_Matrix": matrix.reset_index(names="Task"),
        "Analysis_Overview": pd.DataFrame(list(overview.items()), columns=["Metric", "Value"]),
    }


def _wrong(sheets: Sheets, folder: Path) -> tuple[WrongFigure, ...]:
    path = folder / "results.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for title, frame in sheets.items():
            frame.to_excel(writer, sheet_name=title, index=False)
    audit = audit_study(published=[path])
    assert audit.figures == 3 * 6 + 3 * 4 + 3 * (3 + 4) + 5
    return audit.wrong


def test_sheets_that_follow_from_the_long_one_have_no_wrong_figure(tmp_path: Path) -> None:
    assert _wrong(_sheets(_long()), tmp_path) == ()


@pytest.mark.parametrize(
    ("sheet", "column"),
    [
        (title, str(column))
        for title, frame in _sheets(_long()).items()
        if title not in ("Master", "Analysis_Overview")
        for column in frame.columns[1:]
    ],
)
def test_a_changed_figure_is_named(sheet: str, column: str, tmp_path: Path) -> None:
    sheets = _sheets(_long())
    cells = list(sheets[sheet][column])
    before = cells[1]
    cells[1] = "Nowhere" if isinstance(before, str) else before + 1
    frame = sheets[sheet].assign(**{column: cells})
    (wrong,) = _wrong({**sheets, sheet: frame}, tmp_path)
    assert wrong.table == sheet
    assert (wrong.row, wrong.column) == (str(frame.iloc[1, 0]), column)
    assert wrong.place == "results.xlsx, row 3"
    if isinstance(before, str):
        assert (wrong.printed, wrong.recomputed) == ("Nowhere", before)
    else:
        assert float(wrong.recomputed) == pytest.approx(float(before), rel=1e-9)


@pytest.mark.parametrize("row", range(5))
def test_a_changed_overview_is_named(row: int, tmp_path: Path) -> None:
    sheets = _sheets(_long())
    names, values = (list(sheets["Analysis_Overview"][name]) for name in ("Metric", "Value"))
    before, values[row] = values[row], 99
    frame = sheets["Analysis_Overview"].assign(Value=values)
    (wrong,) = _wrong({**sheets, "Analysis_Overview": frame}, tmp_path)
    assert (wrong.row, wrong.printed, wrong.recomputed) == (names[row], "99", str(before))


@pytest.mark.parametrize("row", [0, 7, 22, 35])
def test_a_changed_activity_is_named_in_the_place_of_all_that_it_explains(
    row: int, tmp_path: Path
) -> None:
    sheets = _sheets(_long())
    long = sheets["Master"]
    levels = [float(level) for level in long["Activity_Level"]]
    changed = [level + 0.75 * (place == row) for place, level in enumerate(levels)]
    (wrong,) = _wrong({**sheets, "Master": long.assign(Activity_Level=changed)}, tmp_path)
    named = [", ".join(cells) for cells in long[["Task", "Model", "Brain_Region"]].to_numpy()]
    assert named[row] in (wrong.row, *wrong.or_else)
    if wrong.row == named[row]:
        assert float(wrong.recomputed) == pytest.approx(levels[row], rel=1e-8)


def test_what_is_no_model_is_left_out_of_every_figure(tmp_path: Path) -> None:
    long = _long()
    long.loc[long["Model"] == "phi", "Activity_Level"] = 0.0
    real = _sheets(long[long["Model"] != "phi"])
    printed = _sheets(long)
    wrong = _wrong(printed, tmp_path)
    found = {(figure.table, figure.row, figure.column): figure for figure in wrong}
    for sheet, columns in (
        ("Performance_Matrix", ("Task_Avg", "Task_Min", "Task_Std")),
        ("Task_Summary", ("Average_Activity", "Activity_Std", "Dominant_Region_Activity")),
    ):
        for column in columns:
            before, due = (s[sheet].set_index("Task")[column] for s in (printed, real))
            for task in _TASKS:
                figure = found.pop((sheet, task, column))
                assert float(figure.printed) == pytest.approx(before[task])
                assert float(figure.recomputed) == pytest.approx(due[task])
                assert "activity other than 0" in figure.why
                assert "of all" in figure.why
    others = {key[1:]: (figure.printed, figure.recomputed) for key, figure in found.items()}
    # A sum, and the highest of a row, stay what they are without what is 0.
    assert others.pop(("Total Models Tested", "Value")) == ("3", "2")
    assert others.pop(("Total Data Points", "Value")) == ("36", "24")
    assert others == {(task, "Models_Tested"): ("3", "2") for task in _TASKS}


def test_of_activities_that_are_all_0_nothing_is_left_out(tmp_path: Path) -> None:
    assert _wrong(_sheets(_long().assign(Activity_Level=0.0)), tmp_path) == ()


def test_what_is_left_out_is_said_with_both_counts(tmp_path: Path) -> None:
    long = _long()
    long.loc[long["Model"] == "phi", "Activity_Level"] = 0.0
    path = tmp_path / "results.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for title, frame in _sheets(long).items():
            frame.to_excel(writer, sheet_name=title, index=False)
    (found,) = audit_study(published=[path]).conventions
    assert found.found.startswith("12 of 36 rows are of what has no activity other than 0: 1 of 3")
    assert "over the other 24 rows" in found.found


@pytest.fixture(scope="module")
def real_wrong() -> dict[tuple[str, str, str], WrongFigure]:
    """Wrong figures of the study's own spreadsheets, by sheet, row and column."""
    books = sorted(DATA.glob("*.xlsx"))
    if not books:
        pytest.skip(f"the study's spreadsheets are not in {DATA}")
    audit = audit_study(published=books)
    return {(figure.table, figure.row, figure.column): figure for figure in audit.wrong}


@pytest.mark.slow
def test_the_studys_matrix_counts_three_models_that_are_none(
    real_wrong: dict[tuple[str, str, str], WrongFigure],
) -> None:
    book = DATA / "comprehensive_brain_analysis_tables.xlsx"
    long = pd.read_excel(book, sheet_name="Master_Brain_Activity")
    matrix = pd.read_excel(book, sheet_name="Performance_Matrix").set_index("Task")
    means = long.groupby(["Task", "Model"])["Activity_Level"].mean().unstack()
    real = means.loc[:, long.groupby("Model")["Activity_Level"].max() != 0]
    real = real.dropna()
    assert (len(real.columns), len(means.columns), len(real), len(means)) == (8, 11, 21, 22)
    for column, values in (
        ("Task_Avg", real.mean(axis=1)),
        ("Task_Min", real.min(axis=1)),
        ("Task_Std", real.std(axis=1)),
    ):
        for task, value in values.items():
            figure = real_wrong["Performance_Matrix", str(task), column]
            assert float(figure.printed) == pytest.approx(matrix.loc[str(task), column])
            assert float(figure.recomputed) == pytest.approx(value)
            assert "8 models with an activity other than 0" in figure.why
            assert "all 11 columns" in figure.why
    ranks = {str(model): rank for model, rank in real.mean().rank(ascending=False).items()}
    for model, mean in real.mean().items():
        average = real_wrong["Performance_Matrix", "Model_Avg", str(model)]
        assert float(average.recomputed) == pytest.approx(mean)
        rank = real_wrong["Performance_Matrix", "Model_Rank", str(model)]
        assert float(rank.recomputed) == ranks[str(model)]


@pytest.mark.slow
def test_the_studys_overviews_count_what_is_none(
    real_wrong: dict[tuple[str, str, str], WrongFigure],
) -> None:
    long = pd.read_excel(
        DATA / "comprehensive_brain_analysis_tables.xlsx", sheet_name="Master_Brain_Activity"
    )
    tasks = long.groupby("Task")["Activity_Level"].mean()
    least = str(tasks[tasks > 0].idxmin())
    raw = pd.read_excel(
        DATA / "comprehensive_brain_analysis_results.xlsx",
        sheet_name=["Raw_Data", "Failed_Models"],
    )
    pairs, failed = raw["Raw_Data"].groupby(["Task", "Model"]).ngroups, raw["Failed_Models"]
    assert (pairs, len(failed), pairs + len(failed)) == (882, 21, 903)
    expected = {
        ("Analysis_Overview", "Total Models Tested"): ("11", "8"),
        ("Analysis_Overview", "Total Tasks Analyzed"): ("22", "21"),
        ("Analysis_Overview", "Total Brain Regions Mapped"): ("40", "10"),
        ("Analysis_Overview", "Total Data Points"): (str(len(long)), "1680"),
        ("Analysis_Overview", "Most Challenging Task"): ("Comprehensive", least),
        ("Analysis_Overview", "Most Active Brain Region"): ("Prefrontal Cortex", "Amygdala"),
        ("Overview", "Successful Models"): ("903", str(raw["Raw_Data"]["Model"].nunique())),
        ("Overview", "Failed Models"): ("21", str(failed["Failed_Models"].nunique())),
    }
    found = {
        key[:2]: (figure.printed, figure.recomputed)
        for key, figure in real_wrong.items()
        if key[0] in ("Overview", "Analysis_Overview")
    }
    assert found == expected


def _with_extremes(row: pd.Series) -> float:
    own = row[list(_MODELS)]
    return float(pd.Series([*own, own.mean(), own.max(), own.min()]).std())


@pytest.mark.parametrize(
    ("how", "said"), [(_with_extremes, "together with Task_Avg"), (max, "it is not")]
)
def test_a_spread_over_more_than_the_models_is_named_as_such(
    how: Callable[[pd.Series], float], said: str, tmp_path: Path
) -> None:
    sheets = _sheets(_long())
    matrix = sheets["Performance_Matrix"]
    numbers = matrix.drop(columns=["Task", "Task_Std"])
    sheets["Performance_Matrix"] = matrix.assign(Task_Std=numbers.apply(how, axis=1))
    wrong = _wrong(sheets, tmp_path)
    assert [figure.column for figure in wrong] == ["Task_Std"] * 3
    assert all(said in figure.why for figure in wrong)
