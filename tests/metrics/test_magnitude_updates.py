"""What attention and MLP add to the stream agrees with numpy, on the panel and the demo models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import inputs_for
from branches import branches
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Values, same

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.metrics.base.metric import Values as Found
from cortexscope.models import load_model
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Tokens, Update

METRICS = (
    "attention_contribution",
    "attention_alignment",
    "mlp_contribution",
    "mlp_alignment",
)


def reference(case: Case) -> Values:
    values: Values = {}
    found = branches(case)
    for stack in case.stacks:
        if not stack.states:
            continue
        for layer, block in enumerate(found[stack.name], start=1):
            rows = case.places(len(stack.states[0]))
            stream = stack.states[layer - 1][rows]
            for part, whole in (("attention", block.attention), ("mlp", block.mlp)):
                update = whole[rows]
                lengths = np.linalg.norm(update, axis=-1), np.linalg.norm(stream, axis=-1)
                cosines = (update * stream).sum(-1) / (lengths[0] * lengths[1])
                key = (stack.name, layer, None, None)
                values[f"{part}_contribution", *key] = float((lengths[0] / lengths[1]).mean())
                values[f"{part}_alignment", *key] = float(cosines.mean())
    return values


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_so_they_do_on_the_demo_models(name: str) -> None:
    words = " ".join(["The cat sat on the mat, and the dog did not."] * 9).split()
    texts = [" ".join(words[:length]) for length in (1, 2, 20, 40, 80)]
    assert agree_on(load_model(name), texts, METRICS, reference) > 0


def test_in_bfloat16_they_are_within_a_hundredth() -> None:
    row = FAMILIES["llama"]
    model = tiny_model("llama").to(torch.bfloat16)
    batch = inputs_for(row, [33, 9])
    found = []
    for kind in (torch.float32, torch.bfloat16):
        with attach(model.to(kind), metrics=METRICS) as probe, torch.no_grad():
            model(**batch)
        found.append(outcomes(probe.frame()))
    exact, rounded = found
    for prompt, values in exact.items():
        for key, value in values.items():
            assert same(rounded[prompt][key], value, relative=0.01, absolute=0.01), key


@pytest.mark.parametrize(
    ("family", "metric", "reason"),
    [
        ("mamba", "attention_contribution", "no matrix was found that leads back"),
        ("mamba", "mlp_alignment", "no matrix was found that leads back"),
        ("jamba", "attention_alignment", "no matrix leads back to the residual stream in this"),
    ],
)
def test_where_nothing_is_added_the_reason_is_given(family: str, metric: str, reason: str) -> None:
    model = tiny_model(family)
    with attach(model, metrics=[metric]) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES[family], [5]))
    (values,) = outcomes(probe.frame()).values()
    reasons = [value for value in values.values() if isinstance(value, str)]
    assert reasons
    assert all(found.startswith(reason) for found in reasons)


def measured(name: str, update: torch.Tensor, stream: torch.Tensor) -> Found:
    (metric,) = make_metrics([name], MetricOptions())
    positions = Tokens(torch.ones(1, len(stream), dtype=torch.bool))
    states = (HiddenStates(x[None], positions) for x in (update, stream))
    site = Site("decoder", 1)
    part = "mlp" if name.startswith("mlp") else "attention"
    state = metric.update({}, site, Update(part, *states))  # type: ignore[arg-type]
    layout = Layout(hidden=(), blocks=((site,),), attention=(), final=())
    return next(iter(metric.compute(state, layout)))


def test_half_the_stream_backwards_has_ratio_a_half_and_cosine_minus_one() -> None:
    stream = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    for part in ("attention", "mlp"):
        ratio = measured(f"{part}_contribution", -stream / 2, stream)
        cosine = measured(f"{part}_alignment", -stream / 2, stream)
        assert ratio.values is not None
        assert cosine.values is not None
        assert ratio.values.item() == pytest.approx(0.5)
        assert cosine.values.item() == pytest.approx(-1)


def test_a_stream_on_another_device_is_brought_to_the_update() -> None:
    positions = Tokens(torch.ones(1, 3, dtype=torch.bool))
    there = torch.device("meta")
    stream = HiddenStates(torch.ones(1, 3, 4), positions)
    update = Update("mlp", HiddenStates(torch.ones(1, 3, 4).to(there), positions.to(there)), stream)
    assert update.cosines.device == there


def test_tokens_without_a_stream_are_left_out() -> None:
    stream, update = torch.ones(2, 4), torch.ones(2, 4)
    stream[0] = 0
    found = measured("attention_contribution", update, stream)
    assert found.values is not None
    assert found.values.item() == pytest.approx(1)
    nothing = measured("attention_contribution", update, torch.zeros(2, 4))
    assert nothing.values is not None
    assert nothing.values.isnan().all()
    assert nothing.reason == "the stream is 0 at every token"
