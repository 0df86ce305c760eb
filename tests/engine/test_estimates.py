"""What a plan says of a run before it is measured."""

from __future__ import annotations

import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model

from cortexscope.engine._rows import rows_of
from cortexscope.measure import attach
from cortexscope.metrics import ALL, MetricOptions, make_metrics, metric_specs

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
