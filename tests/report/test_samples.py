"""Every format and every sheet holds the store's numbers: 200 cells of each, drawn by a seed.

What a cell should hold is computed from the run's Parquet files by pandas (`oracle.py`), or is a
cell of a table of `Analysis`, found by the names that stand in the cell's own row.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from report.expected_books import Books, cells_of_book
from report.expected_figures import Figures, cells_of_figure
from report.expected_tables import Expected, cells_of
from report.made_runs import PAIR, SMALL, TASKS, FakeModel, make_run
from report.oracle import Oracle
from report.readers import FORMS
from report.sampling import MANY, check

from cortexscope.analysis import Analysis, Settings
from cortexscope.exports import EXPORTS, export
from cortexscope.report import build_figures, write_workbooks
from cortexscope.store import Run

pytestmark = pytest.mark.slow

_MODELS = (
    FakeModel(heads=2),
    dataclasses.replace(SMALL, heads=2),
    dataclasses.replace(PAIR, layers=4, heads=2),
    dataclasses.replace(SMALL, label="mamba", attention=False, entropy=0.5, heads=1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four models: a decoder, two encoders, one without attention, and an encoder-decoder."""
    run = make_run(tmp_path_factory.mktemp("samples") / "run", _MODELS, prompts=3)
    # The settings of all that is made of it from here on.
    Analysis(run, settings=Settings(1, 100, 100), metrics=["study.final_activation"]).write()
    return run


@pytest.fixture(scope="module")
def store(run: Run) -> Oracle:
    return Oracle(run.path, list(TASKS))


@pytest.mark.parametrize("form", FORMS)
def test_a_table_in_each_format_holds_the_numbers_of_the_store(
    form: str, run: Run, store: Oracle
) -> None:
    check(cells_of(FORMS[form](run), Expected(run, store)), seed=len(form))


@pytest.fixture(scope="module")
def books(run: Run, store: Oracle) -> Books:
    return Books(run, store)


@pytest.mark.parametrize("key", ["results", "tables"])
def test_a_workbook_holds_the_numbers_of_the_store(
    key: str, run: Run, books: Books, tmp_path: Path
) -> None:
    (path,) = write_workbooks(run, only=[key], out=tmp_path)
    check(cells_of_book(path, books), seed=len(key))


def test_figures_draw_the_numbers_of_the_store(run: Run, store: Oracle) -> None:
    expected = Figures(run, store)
    names = ["task_map", "length", "depth", "task_means", "heads", "depth-other"]
    figures = build_figures(run, only=names)
    check([own for figure in figures for own in cells_of_figure(figure, expected)], seed=6)


@pytest.mark.parametrize("form", EXPORTS.names())
def test_an_export_holds_the_values_of_the_store(
    form: str, run: Run, store: Oracle, tmp_path: Path
) -> None:
    exported = _exported(form, export(run, form, tmp_path / f"export-{form}"))
    keys = ["model", "stack", "metric", "prompt_id", "layer", "head", "index"]
    values = exported.set_index(keys)["value"]
    rows = store.rows.sample(MANY, random_state=4)
    assert len(values) == len(store.rows)
    found = values.reindex(pd.MultiIndex.from_frame(rows[keys].astype(exported[keys].dtypes)))
    np.testing.assert_array_equal(found.to_numpy(), rows["value"].to_numpy())
    assert rows["value"].isna().any()


def _exported(form: str, path: Path) -> pd.DataFrame:
    if form == "duckdb":
        with duckdb.connect(str(path), read_only=True) as made:
            return made.execute("SELECT * FROM measurements").df()
    if form == "csv":
        return pd.read_csv(path / "measurements.csv")
    folder = path / "data" if form == "dataset" else path
    return pd.read_parquet(folder / "measurements.parquet")
