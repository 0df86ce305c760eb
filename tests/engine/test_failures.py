"""A model that fails is recorded, the others go on, and what failed is tried again alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from models.tiny import tiny_config, tiny_tokenizer
from transformers import LlamaForCausalLM

from cortexscope.cli import main
from cortexscope.engine import RunRequest, Settings, run
from cortexscope.errors import ModelError
from cortexscope.store import Run, examine, list_runs

PLUGIN = '''
from cortexscope.metrics import MeanOverStates, MetricSpec


class Raising(MeanOverStates):
    """Raises on states of 64 entries."""

    spec = MetricSpec(
        name="raising", title="Raising", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="Norms.", source="none", group="magnitude",
    )
    undefined = "never"

    def value(self, seen):
        if seen.width == 64:
            raise RuntimeError("64 are too many")
        return seen.norms
'''


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


def test_the_command_tells_what_failed_and_the_report_says_so(
    damaged: RunRequest, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [option for own in damaged.models for option in ("--model", own)]
    asked = ["--suite", str(damaged.suite), "--metric", "residual_norm", "--out", str(damaged.out)]
    code = main(["run", *models, *asked])
    said = capsys.readouterr().err
    assert code == 1
    assert re.search(r"^Failed: bad: .*model\.safetensors", said, re.MULTILINE)
    assert "--resume tries just that again" in said
    page = (Path(damaged.out) / "report.html").read_text(encoding="utf-8")
    assert "bad could not be measured" in page
    assert main(["run", *models[2:], *asked, "--resume"]) == 0
    assert Run(Path(damaged.out)).manifest.status == "complete"


def test_a_plug_in_that_raises_on_one_model_leaves_the_others(
    damaged: RunRequest, tiny_folder: Path, tmp_path: Path
) -> None:
    wider = tmp_path / "wider"
    LlamaForCausalLM(tiny_config(hidden_size=64)).save_pretrained(wider)
    tiny_tokenizer().save_pretrained(wider)
    plugin = tmp_path / "raising.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    asked = replace(
        damaged,
        models=(f"wide={wider}", f"good={tiny_folder}"),
        metrics=("raising", "residual_norm"),
        plugins=(plugin,),
    )
    found = run(asked)
    assert found.manifest.status == "failed"
    assert "wide" in found.manifest.failures
    assert set(found.measurements()["model"]) == {"good"}
