"""A run folder of an older schema opens with a newer cortexscope; one of a newer does not."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from report.made_runs import SMALL, make_run, manifest_of

from cortexscope.errors import RunExistsError, SchemaVersionError
from cortexscope.records import Prompt
from cortexscope.report import build_tables
from cortexscope.store import SCHEMA_VERSION, Run, RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", [SMALL], tasks=["language_tasks"], prompts=2)


def _with_version(run: Run, version: int) -> Path:
    file = run.path / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "schema_version": version}), encoding="utf-8")
    return run.path


def test_prompts_without_a_target_column_read_as_prompts_without_targets(run: Run) -> None:
    file = run.path / "prompts.parquet"
    columns = ["prompt_id", "task", "text", "source"]
    pq.write_table(pq.read_table(file).select(columns), file)
    old = Run(_with_version(run, 1))
    prompts = old.prompts()
    added = ["target", "control", "origin"]
    assert list(prompts.columns) == [*columns, *added]
    assert prompts[added].isna().all(axis=None)
    assert old.control_ids() == ()
    assert len(build_tables(old)) == 8


@pytest.mark.parametrize(("version", "missing"), [(2, 2), (3, 1)])
def test_measurements_without_later_columns_have_nulls_there(
    run: Run, version: int, missing: int
) -> None:
    whole = run.measurements()
    later = ["step", "tokens_used"][-missing:]
    assert whole["tokens_used"].notna().any()
    for file in run.measurement_files():
        pq.write_table(pq.read_table(file).drop_columns(later), file)
    old = Run(_with_version(run, version)).measurements()
    assert list(old.columns) == list(whole.columns)
    assert old[later].isna().all(axis=None)
    assert old.drop(columns=later).equals(whole.drop(columns=later))


def test_a_newer_schema_is_refused_by_its_number(run: Run) -> None:
    path = _with_version(run, SCHEMA_VERSION + 1)
    with pytest.raises(SchemaVersionError, match=f"run schema {SCHEMA_VERSION + 1}, and this"):
        Run(path)


def test_a_run_of_another_schema_is_not_continued(run: Run) -> None:
    manifest = run.manifest
    path = _with_version(run, 1)
    with pytest.raises(RunExistsError, match=r"schema_version was 1 and is"):
        RunWriter(path, manifest, [], resume=True)


def test_targets_are_kept_beside_the_prompts(tmp_path: Path) -> None:
    prompts = [Prompt("a", "t", "one", target="two"), Prompt("b", "t", "three")]
    writer = RunWriter(tmp_path / "run", manifest_of([SMALL.info()], prompts), prompts)
    kept = Run(writer.path).prompts().set_index("prompt_id")["target"]
    assert kept["a"] == "two"
    assert kept.isna()["b"]
