"""Files beside measurements: named and described as ever, whole plans alone, one writer."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cortexscope.errors import CorruptRunError, RunLockedError
from cortexscope.store import DRIFTS, ESTIMATES, LESIONS, PAIRS, LesionPlan, PairPlan, SideWriter
from cortexscope.store._side_files import read_side_files, side_files

PAIR = PairPlan("a", "b", "d1", 2)
LESION = LesionPlan("a", "heads", "effects", "d1", 1)


def predictions(*prompts: str) -> pa.Table:
    row = {"base": "a", "model": "b", "noise": False, "task": "t"}
    rows = [{**row, "prompt_id": prompt} for prompt in prompts]
    return pa.Table.from_pylist(rows, PAIRS)


def test_names_and_descriptions_are_those_of_files_that_are_kept_somewhere(tmp_path: Path) -> None:
    with SideWriter(tmp_path) as writer:
        writer.write(PAIR, 1, predictions("p"), DRIFTS.empty_table())
        writer.write(LESION, 0, LESIONS.empty_table())
    # As sha256('["a", "b"]') and sha256('["a", "heads"]') begin.
    files = {str(file.relative_to(tmp_path)): file for file in tmp_path.rglob("*.parquet")}
    assert sorted(files) == [
        "lesions/371979677345-00000-effects.parquet",
        "pairs/3554d2b8a1e3-00001-drifts.parquet",
        "pairs/3554d2b8a1e3-00001-predictions.parquet",
    ]
    said = [pq.read_schema(files[name]).metadata for name in sorted(files)]
    assert json.loads(said[0][b"cortexscope.lesion"]) == {
        "model": "a",
        "kind": "heads",
        "what": "effects",
        "digest": "d1",
        "batches": 1,
        "number": 0,
    }
    pair = {"base": "a", "model": "b", "digest": "d1", "shards": 2, "number": 1}
    assert [json.loads(own[b"cortexscope.pair"]) for own in said[1:]] == [pair, pair]


def test_plans_that_lack_a_part_are_not_read(tmp_path: Path) -> None:
    with SideWriter(tmp_path) as writer:
        writer.write(PAIR, 1, predictions("q"), DRIFTS.empty_table())
        found, _ = read_side_files(PairPlan, tmp_path)
        assert found.empty
        writer.write(PAIR, 0, predictions("p"), DRIFTS.empty_table())
        assert writer.done(PAIR) == {0, 1}
    found, drifts = read_side_files(PairPlan, tmp_path)
    assert list(found["prompt_id"]) == ["p", "q"]
    assert drifts.empty


def test_a_part_counts_only_with_all_of_its_tables(tmp_path: Path) -> None:
    with SideWriter(tmp_path) as writer:
        writer.write(PAIR, 0, predictions("p"), DRIFTS.empty_table())
        (drifts,) = side_files(PairPlan, tmp_path, "drifts")
        drifts.unlink()
        assert not writer.done(PAIR)
        assert not side_files(PairPlan, tmp_path)


def test_what_was_measured_otherwise_goes_and_what_is_of_another_stays(tmp_path: Path) -> None:
    estimates = LesionPlan("a", "heads", "estimates", "d1", 1)
    with SideWriter(tmp_path) as writer:
        writer.write(LESION, 0, LESIONS.empty_table())
        writer.write(estimates, 0, ESTIMATES.empty_table())
        assert not writer.done(LesionPlan("a", "heads", "effects", "d2", 1))
    assert [file.name for file in side_files(LesionPlan, tmp_path)] == [
        "371979677345-00000-estimates.parquet"
    ]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with SideWriter(tmp_path), pytest.raises(RunLockedError):
        SideWriter(tmp_path)


def test_a_damaged_file_is_named_with_what_makes_it_again(tmp_path: Path) -> None:
    with SideWriter(tmp_path) as writer:
        writer.write(LESION, 0, LESIONS.empty_table())
    (file,) = side_files(LesionPlan, tmp_path)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CorruptRunError, match=r"effects\.parquet is damaged.*cortexscope lesion"):
        list(read_side_files(LesionPlan, tmp_path))
