"""The study's other spreadsheets: what follows from their long sheet, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
    audit = audit_study(published=[path], rng=np.random.default_rng(0))
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


def test_what_is_no_model_is_not_counted_as_one(tmp_path: Path) -> None:
    long = _long()
    long.loc[long["Model"] == "phi", "Activity_Level"] = 0.0
    (wrong,) = _wrong(_sheets(long), tmp_path)
    assert (wrong.row, wrong.printed, wrong.recomputed) == ("Total Models Tested", "3", "2")
    assert "without any: phi" in wrong.why


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
