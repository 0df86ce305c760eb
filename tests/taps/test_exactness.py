"""Every metric against eager attention in float64, at lengths that take each way to compute it."""

from __future__ import annotations

import math

import pytest
from batches import inputs_for, padded, prompts, row_of
from eager import eager
from families import FAMILIES, STUDY, tiny_model
from measured import measured
from reference import measure, same

from cortexscope.measure import attach

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTHS = [150, 97, 64, 40, 33, 32, 7, 2, 1]


@pytest.mark.parametrize("family", STUDY)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_every_metric_equals_the_eager_float64_computation(family: str, attention: str) -> None:
    model = tiny_model(family)
    if model._supports_sdpa:
        model.set_attn_implementation(attention)
    twin = eager(model)
    batch = inputs_for(FAMILIES[family], LENGTHS)
    for number, got in enumerate(measured(model, batch)):
        wanted = measure(twin, FAMILIES[family], row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-6) == len(got)


@pytest.mark.parametrize("family", STUDY)
def test_padding_and_company_change_nothing(family: str) -> None:
    model = tiny_model(family)
    rows = prompts([70, 64, 33, 9, 1])
    alone = measured(model, *(padded([row]) for row in rows))
    together = measured(model, padded(rows))
    # The smallest number a float32 log-sum-exp can tell apart here is 1e-6 nats.
    for one, other in zip(alone, together, strict=True):
        assert other.keys() == one.keys()
        for key, value in one.items():
            assert same(other[key], value, relative=1e-5, absolute=1e-6), key


def test_a_single_token_has_no_normalised_entropy_and_says_why() -> None:
    model = tiny_model("llama")
    with attach(model, metrics=["attention_entropy_normalized", "attention_sink_mass"]) as probe:
        model(**padded(prompts([1])))
    frame = probe.frame()
    assert frame["value"].isna().all()
    assert set(frame["reason"]) == {"no query row sees two keys", "fewer than two tokens"}


def test_values_that_are_not_finite_are_null_with_a_reason() -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.down_proj.weight.data.fill_(math.nan)
    with attach(model, metrics=["residual_norm"]) as probe:
        model(**padded(prompts([5])))
    frame = probe.frame().set_index("layer")
    assert frame["value"].loc[[0, 1]].gt(0).all()
    assert frame.loc[[2, 3], "value"].isna().all()
    assert set(frame.loc[[2, 3], "reason"]) == {"the model computed a number that is not finite"}
