"""Each export is read back by the program that it is for, and holds the run's numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from report.made_runs import BIG, SMALL, make_run

from cortexscope.cli import main
from cortexscope.exports import EXPORTS, export
from cortexscope.exports._contents import COLUMNS
from cortexscope.store import Run
from cortexscope.store._schema import MEASUREMENTS, PROMPTS

_HOSTILE = "=cmd|' /C calc'!A0, \"two\nlines"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    small = dataclasses.replace(BIG, layers=3, heads=2)
    models = [small, SMALL, dataclasses.replace(small, label=_HOSTILE, name="hostile")]
    return make_run(tmp_path_factory.mktemp("exports") / "run", models, prompts=3)


def _rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows in an order of their own, whatever the types of their columns."""
    columns = []
    for name in MEASUREMENTS.names:
        values = [None if pd.isna(value) else value for value in frame[name].tolist()]
        number = MEASUREMENTS.field(name).type
        make = str if number == pa.string() else float if number == pa.float64() else int
        columns.append([None if value is None else make(value) for value in values])
    return sorted(zip(*columns, strict=True), key=str)


def _same(found: pd.DataFrame, run: Run) -> None:
    assert list(found) == MEASUREMENTS.names
    expected = run.measurements_table(controls=True, steps=True).to_pandas()
    assert _rows(found) == _rows(expected)


def test_pandas_reads_parquet_and_csv(run: Run, tmp_path: Path) -> None:
    folder = export(run, "parquet", tmp_path / "parquet")
    _same(pd.read_parquet(folder / "measurements.parquet"), run)
    prompts = pd.read_parquet(folder / "prompts.parquet")
    assert prompts["text"].tolist() == run.prompts()["text"].tolist()
    assert set(pd.read_parquet(folder / "metrics.parquet")["metric"]) == set(run.manifest.metrics)
    folder = export(run, "csv", tmp_path / "csv")
    _same(pd.read_csv(folder / "measurements.csv", keep_default_na=False, na_values=[""]), run)
    assert set(pd.read_csv(folder / "models.csv")["model"]) == {
        info.model for info in run.manifest.models
    }


def test_datasets_reads_a_folder_with_a_card(run: Run, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    folder = export(run, "dataset", tmp_path / "dataset")
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset(str(folder), "measurements", split="train", cache_dir=cache)
    _same(found.to_pandas(), run)
    card = (folder / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert [own["config_name"] for own in yaml.safe_load(card)["configs"]] == list(COLUMNS)


def test_duckdb_reads_tables_and_views_of_means(run: Run, tmp_path: Path) -> None:
    path = export(run, "duckdb", tmp_path / "run.duckdb")
    with duckdb.connect(str(path), read_only=True) as opened:
        _same(opened.sql("SELECT * FROM measurements").df(), run)
        values = opened.sql(
            "SELECT prompt_id, value FROM prompt_values "
            "WHERE metric = 'attention_sink_mass' AND model = $model",
            params={"model": _HOSTILE},
        ).df()
        heads = opened.sql("SELECT * FROM head_values WHERE metric = 'attention_sink_mass'").df()
        said = opened.execute(
            "SELECT comment FROM duckdb_columns() "
            "WHERE table_name = 'measurements' AND column_name = 'value'"
        ).fetchone()
    rows = run.measurements(metrics=["attention_sink_mass"])
    own = rows[rows["model"] == _HOSTILE].groupby("prompt_id")["value"].mean()
    assert values.set_index("prompt_id")["value"].to_dict() == pytest.approx(own.to_dict())
    expected = rows.groupby(["model", "layer", "head"])["value"].mean()
    found = heads.set_index(["model", "layer", "head"])["value"]
    assert found.to_dict() == pytest.approx(expected.to_dict())
    assert said == (COLUMNS["measurements"]["value"],)


@pytest.mark.parametrize("form", EXPORTS.names())
def test_what_is_there_stays_and_texts_are_left_out(form: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", str(run.path), "--format", form, "--out", str(out), "--no-texts"]) == 0
    secret = run.prompts()["text"].iloc[0].encode()
    files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
    assert not any(secret in file.read_bytes() for file in files)
    before = {file: file.read_bytes() for file in files}
    assert main(["export", str(run.path), "--format", form, "--out", str(out)]) == 2
    assert {file: file.read_bytes() for file in files} == before
    assert [path for path in tmp_path.iterdir() if path != out] == []


@pytest.mark.parametrize("form", EXPORTS.names())
def test_a_place_that_cannot_be_written_is_one_sentence(
    form: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "out"
    assert main(["export", str(run.path), "--format", form, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Error: Cannot write {out}: ")
    assert said.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_it_stands_beside_the_run_by_default(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [SMALL], prompts=1, finished=False)
    assert export(run, "parquet") == tmp_path / "run-parquet"
    assert "not finished" in (tmp_path / "run-parquet" / "README.md").read_text(encoding="utf-8")
    assert export(run, "duckdb") == tmp_path / "run.duckdb"


def test_every_column_is_told() -> None:
    assert list(COLUMNS["measurements"]) == MEASUREMENTS.names
    assert [*COLUMNS["prompts"], "turns"] == PROMPTS.names
