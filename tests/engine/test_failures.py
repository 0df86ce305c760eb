"""A model that fails is recorded, the others go on, and what failed is tried again alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.errors import ModelError
from cortexscope.store import Run, examine, list_runs


@pytest.fixture
def damaged(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> RunRequest:
    bad = tmp_path / "bad"
    shutil.copytree(tiny_folder, bad)
    (bad / "model.safetensors").write_bytes(b"no weights")
    return RunRequest(
        models=(f"bad={bad}", f"good={tiny_folder}"),
        suite=suite_file,
        out=tmp_path / "run",
        metrics=("residual_norm",),
        settings=Settings(batch_tokens=64, shard_batches=1),
    )


def test_the_others_go_on_and_a_mended_model_is_measured_alone(
    damaged: RunRequest, tiny_folder: Path, tmp_path: Path
) -> None:
    found = run(damaged)
    assert found.manifest.status == "failed"
    assert "model.safetensors" in found.manifest.failures["bad"]
    assert set(found.measurements()["model"]) == {"good"}
    (listed,) = list_runs(tmp_path)
    assert (listed.state, listed.why) == ("failed", "bad")
    assert examine(found.path) == []
    kept = {file: file.stat().st_mtime_ns for file in found.measurement_files()}
    shutil.copy(tiny_folder / "model.safetensors", tmp_path / "bad")
    mended = run(replace(damaged, resume=True))
    assert (mended.manifest.status, mended.manifest.failures) == ("complete", {})
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    whole = run(replace(damaged, out=tmp_path / "whole"))
    assert mended.measurements_table().equals(whole.measurements_table())


def test_a_model_that_failed_may_be_dropped(damaged: RunRequest) -> None:
    run(damaged)
    dropped = run(replace(damaged, models=damaged.models[1:], resume=True))
    assert (dropped.manifest.status, dropped.manifest.failures) == ("complete", {})


def test_fail_fast_stops_before_anything_is_written(damaged: RunRequest) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        run(replace(damaged, fail_fast=True))
    assert not Path(damaged.out).exists()
    assert Run(run(damaged).path).manifest.status == "failed"
