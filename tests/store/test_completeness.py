"""A run folder that lost or gained something is never read as if it were whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from report.made_runs import FakeModel, manifest_of, prompts_of, rows_of, table_of

from cortexscope.cli import main
from cortexscope.errors import CorruptRunError, UnknownNameError
from cortexscope.profiles import open_profile
from cortexscope.store import Run, RunWriter

SHARDS = 3
OTHER = FakeModel(label="other", layers=2, heads=2)
TINY = FakeModel(label="tiny", layers=2, heads=2)


def made(path: Path, *, finished: bool = True, written: int = SHARDS) -> Run:
    """Write a run of two models in three shards each, prompts of a shard alike in length."""
    asked = prompts_of(("creative_writing", "logical_puzzles"), 6)
    manifest = manifest_of([TINY.info(), OTHER.info()], asked)
    manifest = manifest.model_copy(update={"shards": {"tiny": SHARDS, "other": SHARDS}})
    writer = RunWriter(path, manifest, asked)
    for model in (TINY, OTHER):
        for number in range(written):
            own = asked[number::SHARDS]
            rows = list(rows_of(model, own, np.random.default_rng(number)))
            writer.write_shard(model.label, number, table_of(model.label, rows))
    if finished:
        writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made(tmp_path / "run")


def _file(run: Run, number: int = 1, model: str = "00-tiny") -> Path:
    return run.path / "measurements" / f"{model}-{number:05d}.parquet"


def _commands(run: Run, tmp_path: Path) -> dict[str, list[str]]:
    path = str(run.path)
    return {
        "tables": ["tables", path],
        "report": ["report", path],
        "figures": ["figures", path],
        "stats": ["stats", path, "--metric", "residual_norm", "--permutations", "100"],
        "audit": ["audit", path, "--out", str(tmp_path / "audit")],
    }


@pytest.mark.parametrize("verb", ["tables", "report", "figures", "stats", "audit"])
def test_each_command_says_what_a_finished_run_lacks(
    run: Run, tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _file(run).unlink()
    before = sorted(run.path.rglob("*"))
    assert main(_commands(run, tmp_path)[verb]) == 1
    said = capsys.readouterr()
    assert "lacks 1 of its 6 files of measurements (measurements/00-tiny-00001.parquet)" in said.err
    assert "--resume" in said.err
    assert said.err.count("Error: ") == 1
    assert said.out == ""
    assert sorted(run.path.rglob("*")) == before


def test_the_python_surface_says_it_too(run: Run) -> None:
    _file(run).unlink()
    profile = open_profile(run.path)
    for read in (profile.frame, profile.frame_polars, profile.table, profile.plot):
        with pytest.raises(CorruptRunError, match=r"00-tiny-00001.parquet.*--resume"):
            read()


def _doubled(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(3, 1)])


def _lengthened(table: pa.Table) -> pa.Table:
    layer = table.schema.get_field_index("layer")
    return table.set_column(layer, "layer", table["layer"].cast(pa.int64()))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_doubled, "holds 1 of its .* rows twice"),
        (_lengthened, "has 'layer' as int64, which is int16"),
        (lambda table: table.drop_columns(["reason"]), "has no column 'reason'"),
        (lambda table: table.slice(0, 0), "holds no rows"),
        (lambda table: table.filter(pc.not_equal(table["prompt_id"], "crea-002")), "no values of"),
    ],
)
def test_a_file_that_holds_something_else_is_named(
    run: Run, change: Callable[[pa.Table], pa.Table], sentence: str
) -> None:
    pq.write_table(change(pq.read_table(_file(run))), _file(run))
    with pytest.raises(CorruptRunError, match=f"{sentence}.*--resume"):
        run.measurements()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (("00-tiny", 0), "the prompt 'crea-001', which is in 00-tiny-00000.parquet too"),
        (("01-other", 1), "rows of 'other'"),
    ],
)
def test_a_shard_copied_over_another_is_named(
    run: Run, source: tuple[str, int], sentence: str
) -> None:
    shutil.copy(_file(run, source[1], source[0]), _file(run))
    with pytest.raises(CorruptRunError, match=f"00-tiny-00001.parquet holds {sentence}"):
        run.measurements(metrics=["residual_norm"])


@pytest.mark.parametrize("size", [0, 1000])
def test_a_file_cut_short_is_named(run: Run, size: int) -> None:
    _file(run).write_bytes(_file(run).read_bytes()[:size])
    with pytest.raises(CorruptRunError, match=r"00-tiny-00001.parquet is damaged; .*--resume"):
        run.measurements()


def test_copies_and_strays_are_named_and_not_read(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run.measurements_table()
    assert not run.remarks
    shutil.copy(_file(run), _file(run).with_name("00-tiny-00001 (copy).parquet"))
    shutil.copy(_file(run), _file(run, SHARDS))
    (run.path / "vectors").mkdir()
    (run.path / "vectors" / "notes.txt").write_text("mine")
    (run.path / "measurements" / ".DS_Store").write_text("of the system")
    assert run.measurements_table().equals(before)
    (remark,) = run.remarks
    for name in ("00-tiny-00001 (copy).parquet", "00-tiny-00003.parquet", "vectors/notes.txt"):
        assert name in remark
    assert "DS_Store" not in remark
    assert main(["tables", str(run.path), "--only", "1"]) == 0
    assert "is not read: measurements/00-tiny-00001 (copy).parquet" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="00-tiny-00003.parquet"):
        open_profile(run.path)


def test_an_unfinished_run_reads_what_is_finished_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", finished=False, written=2)
    assert run.measurements()["prompt_id"].nunique() == 8
    assert main(["tables", str(run.path), "--only", "1"]) == 0
    said = capsys.readouterr().err
    assert "is not finished: 4 of 6 files of measurements are there" in said
    assert "--resume" in said
    _file(run).write_bytes(b"")
    assert main(["tables", str(run.path), "--only", "1"]) == 1
    assert "00-tiny-00001.parquet is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["prompts.parquet", "models.parquet"])
def test_the_tables_of_prompts_and_models_are_those_of_the_manifest(run: Run, name: str) -> None:
    file = run.path / name
    table = pq.read_table(file)
    for other in (table.slice(1), pa.concat_tables([table, table.slice(0, 1)])):
        pq.write_table(other, file)
        with pytest.raises(CorruptRunError, match=rf"{name} is not of the .*--resume"):
            (run.prompts if name.startswith("prompts") else run.models)()
    file.unlink()
    with pytest.raises(CorruptRunError, match=rf"{name} is missing; .*--resume"):
        (run.prompts if name.startswith("prompts") else run.models)()


def test_a_manifest_without_shards_of_a_model_is_damaged(run: Run) -> None:
    file = run.path / "manifest.json"
    content = json.loads(file.read_text())
    del content["shards"]["other"]
    file.write_text(json.dumps(content))
    with pytest.raises(CorruptRunError, match=r"manifest.json is damaged"):
        Run(run.path)


def test_reading_a_name_that_is_not_there_is_an_error(run: Run) -> None:
    profile = open_profile(run.path)
    for read in (profile.frame, profile.frame_polars, run.measurements, run.measurements_table):
        with pytest.raises(UnknownNameError, match="no metric 'residual_nrom'; did you mean 'res"):
            read(metrics=["residual_nrom"])
        with pytest.raises(UnknownNameError, match="no model 'tony'; did you mean 'tiny'"):
            read(models=["tony"])
    with pytest.raises(UnknownNameError, match="no metric 'misspelt'"):
        profile.frame("misspelt")
    with pytest.raises(UnknownNameError, match="no model 'tony'"):
        run.mean_states("tony")
    assert set(profile.frame(models="tiny")["model"]) == {"tiny"}
