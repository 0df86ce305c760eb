"""What a plan says of a run before it is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model

from cortexscope.engine import RunRequest, forecast, parse_bytes, run, said_bytes
from cortexscope.engine._rows import rows_of
from cortexscope.errors import UsageError
from cortexscope.measure import attach
from cortexscope.metrics import ALL, MetricOptions, make_metrics, metric_specs
from cortexscope.models import ModelSource

_TOLD = {"masked", "masked.word", "text"}
"""What only a whole run tells metrics."""


@pytest.mark.parametrize("family", ["gpt2", "mixtral", "gpt_oss", "bert", "t5", "mamba"])
def test_rows_are_known_before_weights_are_read(family: str) -> None:
    specs = [s for s in metric_specs([ALL]) if s.replication == "prompt" and not _TOLD & {*s.needs}]
    names = [spec.name for spec in specs]
    model = tiny_model(family)
    with attach(model, metrics=names) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES[family], [9]))
    measured = probe.frame().groupby("metric").size().to_dict()
    assert rows_of(make_metrics(names, MetricOptions()), model, heads=4) == measured


def test_a_size_is_read_as_it_is_said() -> None:
    assert parse_bytes("8GB") == 8_000_000_000
    assert said_bytes(parse_bytes("1.5 mb")) == "1.5 MB"


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0MB", "nanGB", "infGB", "8XB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no size of a memory"):
        parse_bytes(text)


@pytest.fixture
def request_(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(models=(f"tiny={tiny_folder}",), suite=suite_file, out=tmp_path / "run")


@pytest.mark.slow
def test_a_plan_tells_the_rows_of_the_run(request_: RunRequest) -> None:
    (told,) = forecast(request_)
    assert not request_.out.exists()
    assert told.seconds is not None
    assert told.seconds.measure > 0
    assert told.estimate.rows == len(run(request_).measurements_table())


def test_a_plan_without_calibration_reads_no_weights(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: ModelSource) -> None:
        raise AssertionError("weights are read")

    monkeypatch.setattr(ModelSource, "load", load)
    (told,) = forecast(request_, calibrated=False)
    assert told.seconds is None


def test_what_does_not_fit_is_refused_before_weights_are_read(request_: RunRequest) -> None:
    asked = replace(request_, max_memory=1_000_000)
    with pytest.raises(UsageError, match=r"tiny needs about .* process, .* may have 1.0 MB"):
        run(asked)
    assert not request_.out.exists()


def test_batches_are_the_largest_that_fit(request_: RunRequest, tmp_path: Path) -> None:
    suite = tmp_path / "many.txt"
    suite.write_text("a man walks his dog home through the long rain\n" * 60)
    many = replace(request_, suite=suite, metrics=("residual_norm",), fit_batches=True)
    (free,) = forecast(many, calibrated=False)
    memory = free.estimate.memory
    most = memory.total - memory.batch // 2
    asked = replace(many, max_memory=most)
    (small,) = forecast(asked, calibrated=False)
    assert small.estimate.memory.total <= most
    assert small.estimate.batches > free.estimate.batches


def test_where_no_batch_fits_the_model_is_refused(request_: RunRequest) -> None:
    with pytest.raises(UsageError, match="tiny needs about"):
        forecast(replace(request_, fit_batches=True, max_memory=1_000_000), calibrated=False)
