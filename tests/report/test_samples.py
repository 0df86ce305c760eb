"""Every format and every sheet holds the store's numbers: 200 cells of each, drawn by a seed.

What a cell should hold is computed from the run's Parquet files by pandas (`oracle.py`), or is a
cell of a table of `Analysis`, found by the names that stand in the cell's own row.
"""

from __future__ import annotations

import dataclasses

import pytest
from report.expected_tables import Expected, cells_of
from report.made_runs import PAIR, SMALL, TASKS, FakeModel, make_run
from report.oracle import Oracle
from report.readers import FORMS
from report.sampling import check

from cortexscope.analysis import Analysis, Settings
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
