"""A model that fails is recorded, the others go on, and what failed is tried again alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from models.tiny import tiny_config, tiny_tokenizer
from shortage import Notes
from transformers import LlamaForCausalLM

from cortexscope.cli import main
from cortexscope.engine import RunRequest, Settings, run
from cortexscope.engine.passes import Reader
from cortexscope.errors import ModelError
from cortexscope.metrics import METRICS
from cortexscope.store import Measurements, Run, RunWriter, examine, list_runs

PLUGIN = '''
from cortexscope.metrics import MeanOverStates, MetricSpec


class Raising(MeanOverStates):
    """Raises on states of 64 entries."""

    spec = MetricSpec(
        name="raising", title="Raising", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="Norms.", source="none", group="magnitude",
    )
    undefined = "never"

    def value(self, seen):BODY
        return seen.norms
'''


@pytest.fixture(autouse=True)
def _own_table() -> Iterator[None]:
    before = set(METRICS.names())
    yield
    for name in set(METRICS.names()) - before:
        METRICS.drop(name)


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def write_plugin(file: Path, body: str) -> Path:
    file.write_text(PLUGIN.replace("BODY", body), encoding="utf-8")
    return file


@pytest.fixture
def two_models(damaged: RunRequest, tiny_folder: Path, tmp_path: Path) -> RunRequest:
    """Two models, and a plug-in that raises on one of them."""
    wider = tmp_path / "wider"
    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config(hidden_size=64)).save_pretrained(wider)
    tiny_tokenizer().save_pretrained(wider)
    return replace(
        damaged,
        models=(f"wide={wider}", f"good={tiny_folder}"),
        metrics=("raising", "residual_norm"),
        plugins=(write_plugin(tmp_path / "raising.py", RAISES),),
        selfcheck=False,
    )


RAISES = """
        if seen.width == 64:
            raise RuntimeError("64 are\\x1b[31m too\\nmany")
"""


@pytest.mark.slow
def test_a_plug_in_that_raises_fails_its_metric_alone_and_is_mended(
    two_models: RunRequest, tmp_path: Path
) -> None:
    found = run(two_models)
    assert (found.manifest.status, found.manifest.failures) == ("failed", {})
    (failed,) = found.manifest.failed_metrics["wide"]
    assert list(found.manifest.failed_metrics) == ["wide"]
    assert failed.metric == "raising"
    assert failed.parts == list(range(found.manifest.shards["wide"]))
    assert "raising.py, line 16" in failed.why
    assert "\x1b" not in failed.why
    frame = found.measurements()
    own = frame[(frame["model"] == "wide") & (frame["metric"] == "raising")]
    assert len(own) == 12
    assert own["value"].isna().all()
    assert set(own["reason"]) == {"its plug-in failed (RuntimeError: 64 are [31m too many)"}
    others = frame[(frame["model"] == "good") | (frame["metric"] == "residual_norm")]
    assert others["value"].notna().all()
    assert examine(found.path) == []
    assert "raising of wide" in list_runs(tmp_path)[0].why
    (remark,) = found.remarks
    assert "raising.py" in remark
    # The same again fails again, and loses nothing.
    again = run(replace(two_models, resume=True))
    assert again.manifest.failed_metrics == found.manifest.failed_metrics
    assert again.measurements_table().equals(found.measurements_table())
    write_plugin(tmp_path / "raising.py", "")
    notes = Notes()
    mended = run(replace(two_models, resume=True), notes)
    assert not any("go on" in said for said in notes.said)
    assert (mended.manifest.status, mended.manifest.failed_metrics) == ("complete", {})
    whole = run(replace(two_models, out=tmp_path / "whole"))
    assert mended.measurements_table().equals(whole.measurements_table())
    assert mended.manifest.settings == whole.manifest.settings


@pytest.mark.slow
def test_a_mended_plug_in_measures_everything_again_also_when_killed_between(
    two_models: RunRequest, tmp_path: Path
) -> None:
    run(two_models)
    # The mended one has other values for the model that it did not fail with too.
    write_plugin(tmp_path / "raising.py", "\n        return 2 * seen.norms\n")
    real, left = RunWriter.write_shard, [2]

    def dying(self: RunWriter, *given: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        real(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunWriter, "write_shard", dying)
        with pytest.raises(KeyboardInterrupt):
            run(replace(two_models, resume=True))
    assert Run(two_models.out).manifest.status == "running"
    mended = run(replace(two_models, resume=True))
    whole = run(replace(two_models, out=tmp_path / "whole"))
    assert mended.measurements_table().equals(whole.measurements_table())
    assert mended.manifest.status == "complete"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("return seen.norms[0]", "one number a token"),
        ("return [1.0]", "a list and not one number a token"),
        ("while True: print('endless')", "prints more than 10,000 characters"),
    ],
)
def test_whatever_a_plug_in_does_costs_its_metric_alone(
    two_models: RunRequest, body: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plugin(Path(two_models.plugins[0]), f"\n        {body}\n")
    found = run(replace(two_models, models=two_models.models[1:]))
    (failed,) = found.manifest.failed_metrics["good"]
    assert said in failed.why
    assert "raising.py" in failed.why
    assert "'raising'" in failed.why
    frame = found.measurements()
    assert frame[frame["metric"] == "residual_norm"]["value"].notna().all()
    assert frame[frame["metric"] == "raising"]["value"].isna().all()
    assert len(capsys.readouterr().out) < 10_000 * found.manifest.shards["good"] * 20
    assert Run(found.path).manifest.status == "failed"


COMPUTES = """
from cortexscope.metrics import Metric, MetricSpec, OverPrompts, MEAN_STATE, Values


class Raising(KIND):
    spec = MetricSpec(
        name="raising", title="Raising", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="None.", source="none", group="magnitude",
        replication="UNIT",
    )
    pool = MEAN_STATE

    def update(self, state, site, seen):
        UPDATE
        return super().update(state, site, seen) if "UNIT" == "task" else state

    def compute(self, state, layout):
        COMPUTE
"""


@pytest.mark.parametrize(
    ("unit", "compute", "said"),
    [
        ("prompt", "yield None", "a NoneType and not `Values`"),
        ("prompt", "return None", "'NoneType' object is not iterable"),
        (
            "prompt",
            "import torch; yield Values(layout.hidden[0], torch.zeros(3, 5), None)",
            "values of 5 prompts, of which there are",
        ),
        ("task", "raise RuntimeError('no')", "RuntimeError: no"),
        ("sequence", "raise RuntimeError('no')", "RuntimeError: no"),
    ],
)
def test_values_of_a_wrong_shape_cost_the_metric_alone_whatever_they_are_of(
    two_models: RunRequest, unit: str, compute: str, said: str
) -> None:
    plugin = Path(two_models.plugins[0])
    text = COMPUTES.replace("KIND", "OverPrompts" if unit == "task" else "Metric")
    text = text.replace("UNIT", unit).replace("COMPUTE", compute).replace("UPDATE", "pass")
    plugin.write_text(text, encoding="utf-8")
    found = run(replace(two_models, models=two_models.models[1:]))
    (failed,) = found.manifest.failed_metrics["good"]
    assert said in failed.why
    if unit != "prompt":
        assert failed.parts == [unit]
    frame = found.measurements()
    assert frame[frame["metric"] == "residual_norm"]["value"].notna().all()
    own = frame[frame["metric"] == "raising"]
    assert len(own)
    assert own["value"].isna().all()
    assert own["reason"].str.startswith("its plug-in failed").all()


def test_a_plug_in_that_cannot_keep_states_leaves_those_of_others(two_models: RunRequest) -> None:
    text = COMPUTES.replace("KIND", "OverPrompts").replace("UNIT", "task")
    text = text.replace("UPDATE", "raise RuntimeError('no')").replace("COMPUTE", "yield from ()")
    text = text.replace("pool = MEAN_STATE", "pool = MEAN_STATE._replace(name='own')")
    Path(two_models.plugins[0]).write_text(text, encoding="utf-8")
    asked = replace(two_models, models=two_models.models[1:], metrics=("raising", "cka"))
    found = run(asked)
    (failed,) = found.manifest.failed_metrics["good"]
    assert "RuntimeError: no" in failed.why
    frame = found.measurements()
    assert frame[frame["metric"] == "cka"]["value"].notna().any()
    own = frame[frame["metric"] == "raising"]
    assert len(own)
    assert own["value"].isna().all()


@pytest.mark.slow
def test_what_is_there_of_a_model_that_failed_is_kept_and_not_read(
    two_models: RunRequest, tmp_path: Path
) -> None:
    asked = replace(two_models, metrics=("residual_norm",), plugins=())
    real, passes = Reader.run, [0]

    def failing(self: Reader, batch: Any, **inputs: Any) -> Any:
        if self.label == "wide":
            passes[0] += 1
            if passes[0] == 3:
                raise RuntimeError("the third batch is broken")
        return real(self, batch, **inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "run", failing)
        found = run(asked)
    assert len(list(found.path.glob("measurements/*-wide-*.parquet"))) == 2
    assert {own.name.split("-")[1] for own in found.measurement_files()} == {"good"}
    assert set(found.measurements()["model"]) == {"good"}
    assert set(Measurements.of(found).by_prompt()["model"]) == {"good"}
    assert any("the third batch is broken" in said for said in found.remarks)
    assert examine(found.path) == []

    def dying(self: Reader, batch: Any, **inputs: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "run", dying)
        with pytest.raises(KeyboardInterrupt):
            run(replace(asked, resume=True))
    killed = Run(found.path)
    assert (killed.manifest.status, killed.manifest.failures) == ("running", {})
    assert list_runs(tmp_path)[0].state == "unfinished"
    # Of a run that is not finished all is read that is there.
    assert set(killed.measurements()["model"]) == {"wide", "good"}
    whole = run(replace(asked, out=tmp_path / "whole"))
    resumed = run(replace(asked, resume=True))
    assert resumed.measurements_table().equals(whole.measurements_table())
