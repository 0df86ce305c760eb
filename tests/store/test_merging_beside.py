"""Merged runs keep what stood beside their measurements."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from store.sound import PROMPTS, sound_run
from store.test_completeness import OTHER, TINY

from cortexscope.errors import CorruptRunError
from cortexscope.records import Manifest
from cortexscope.store import (
    DRIFTS,
    LESIONS,
    PAIRS,
    LesionPlan,
    Measurements,
    PairPlan,
    Run,
    SideWriter,
    examine,
    merge_runs,
    write_outcomes,
)
from cortexscope.store._manifest import write_manifest

PAIR = {"base": "saved", "noise": False, "task": "logical_puzzles", "prompt_id": PROMPTS[0].id}
PART = {"kind": "layers", "stack": "decoder", "layer": 1, "task": "logical_puzzles",
        "prompt_id": PROMPTS[0].id}  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Two runs, each with pairs, a lesion and outcomes."""
    found = [sound_run(tmp_path / model.label, model) for model in (TINY, OTHER)]
    for run in found:
        label = run.manifest.models[0].model
        pairs = pa.Table.from_pylist([PAIR | {"model": label}], PAIRS)
        parts = pa.Table.from_pylist([PART | {"model": label, "kl": 0.5}], LESIONS)
        with SideWriter(run.path) as writer:
            writer.write(PairPlan("saved", label, "d", 1), 0, pairs, DRIFTS.empty_table())
            writer.write(LesionPlan(label, "layers", "effects", "d", 1), 0, parts)
        write_outcomes(run.path, label, {PROMPTS[0].id: 1.0}, source="told")
    return found


def test_all_goes_along(runs: list[Run], tmp_path: Path) -> None:
    merged = Measurements.of(merge_runs([run.path for run in runs], tmp_path / "both"))
    apart = Measurements.of(*runs)
    for own, other in (
        *zip(merged.pairs(), apart.pairs(), strict=True),
        *zip(merged.lesions(), apart.lesions(), strict=True),
        (merged.outcomes(), apart.outcomes()),
    ):
        kept, before = (frame.sort_values("model", ignore_index=True) for frame in (own, other))
        pd.testing.assert_frame_equal(kept, before)
    assert set(merged.pairs().predictions["model"]) == {"tiny", "other"}
    assert not examine(tmp_path / "both")


def test_models_are_numbered_anew(runs: list[Run], tmp_path: Path) -> None:
    first, second = runs
    alone = [run.measurements_table() for run in runs]
    other = _numbered(first, 1)
    merged = merge_runs([other, second.path], tmp_path / "both")
    assert merged.manifest.numbers == {}
    assert [file.name[:2] for file in merged.measurement_files()] == ["00", "01"]
    assert merged.measurements_table().equals(pa.concat_tables(alone))


def _numbered(run: Run, number: int) -> Path:
    """Give the run's one model another number, as a run has of which others were left out."""
    manifest: Manifest = run.manifest
    label = manifest.models[0].model
    for file in (*run.path.glob("measurements/*"), *run.path.glob("hashes/00-*")):
        text = file.read_bytes()
        if file.suffix == ".sha256":
            text = text.replace(b"/00-", f"/{number:02d}-".encode())
        file.with_name(f"{number:02d}{file.name[2:]}").write_bytes(text)
        file.unlink()
    write_manifest(run.path, manifest.model_copy(update={"numbers": {label: number}}))
    return run.path


def test_damaged_outcomes_are_told(runs: list[Run], tmp_path: Path) -> None:
    (runs[0].path / "outcomes.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorruptRunError, match=r"outcomes\.parquet is damaged"):
        merge_runs([run.path for run in runs], tmp_path / "both")
    assert not (tmp_path / "both").exists()
