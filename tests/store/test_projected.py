"""Few columns or metrics of a file are read as they stand in all of it, and no less is checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report.made_runs import SMALL, make_run

from cortexscope.errors import CorruptRunError
from cortexscope.store import Measurements, Run
from cortexscope.store._contents import read_rows

TASKS = ["language_tasks", "technical_code"]
COLUMNS = ("prompt_id", "layer", "value")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", [SMALL], tasks=TASKS, prompts=3)


def _file(run: Run) -> Path:
    return run.measurement_files()[0]


def _shuffled(table: pa.Table) -> pa.Table:
    return table.take(np.random.default_rng(0).permutation(len(table)))


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("columns", [None, COLUMNS])
@pytest.mark.parametrize("number", [0, 1, 2, None])
def test_rows_are_those_of_the_whole_file(
    run: Run, shuffled: bool, columns: Sequence[str] | None, number: int | None
) -> None:
    file = _file(run)
    whole = pq.read_table(file, partitioning=None)
    if shuffled:
        whole = _shuffled(whole)
        # Several row groups, of which few hold what is asked for.
        pq.write_table(whole, file, row_group_size=50)
    names = whole["metric"].unique().to_pylist()
    metrics = None if number is None else frozenset(names[:: len(names) - 1][:number])
    found = read_rows(file, metrics=metrics, columns=columns)
    rows = whole.to_pylist()
    wanted = [row for row in rows if metrics is None or row["metric"] in metrics]
    assert {*found.column_names} >= {*(columns or whole.column_names)}
    assert found.select(list(columns or whole.column_names)).to_pylist() == [
        {name: row[name] for name in (columns or whole.column_names)} for row in wanted
    ]


@pytest.mark.parametrize("question", ["by_prompt", "by_layer", "by_place", "undefined"])
def test_a_row_that_is_there_twice_is_found_by_whoever_reads_first(run: Run, question: str) -> None:
    table = pq.read_table(_file(run), partitioning=None)
    pq.write_table(pa.concat_tables([table, table.slice(3, 1)]), _file(run))
    with pytest.raises(CorruptRunError, match=r"holds 1 of its .* rows twice"):
        getattr(Measurements.of(run), question)()


def test_what_is_not_finite_is_no_value_whichever_columns_are_read(run: Run) -> None:
    table = pq.read_table(_file(run), partitioning=None)
    values = table["value"].to_pylist()
    place = next(n for n, value in enumerate(values) if value is not None)
    values[place] = float("inf")
    column = table.schema.get_field_index("value")
    pq.write_table(table.set_column(column, "value", pa.array(values, pa.float64())), _file(run))
    row = table.slice(place, 1).to_pylist()[0]
    measured = Measurements.of(run)
    layers = measured.by_layer([row["metric"]])
    assert len(layers)
    assert not np.isinf(layers["value"]).any()
    missing = measured.undefined([row["metric"]])
    assert "not a finite number" in missing["reason"].tolist()
