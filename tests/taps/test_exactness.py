"""Every metric against eager attention in float64, for the families of the study."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from batches import padded, prompts
from families import FAMILIES, VOCABULARY, is_causal, tiny_model
from reference import Key, in_float64, measure
from transformers import AutoConfig, AutoModelForCausalLM

from cortexscope.engine import attach
from cortexscope.models import find_anatomy

LENGTHS = [150, 97, 64, 40, 33, 32, 7, 2, 1]


def measured(model: torch.nn.Module, *batches: dict[str, torch.Tensor]) -> list[dict[Key, float]]:
    """Return what was measured of each prompt, by metric, layer and head."""
    with attach(model) as probe, torch.no_grad():
        for batch in batches:
            model(**batch)
    found: dict[str, dict[Key, float]] = {}
    rows: list[Any] = probe.frame().to_dict("records")
    for row in rows:
        layer, head = (
            None if not isinstance(row[name], int) else row[name] for name in ("layer", "head")
        )
        value = row["value"]
        found.setdefault(row["prompt_id"], {})[row["metric"], layer, head] = (
            math.nan if value is None else float(value)
        )
    return list(found.values())


def assert_same(
    got: dict[Key, float], wanted: dict[Key, float], *, relative: float, absolute: float
) -> None:
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        assert got[key] == pytest.approx(value, rel=relative, abs=absolute, nan_ok=True), key


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_every_metric_equals_the_eager_float64_computation(family: str, attention: str) -> None:
    model = tiny_model(family)
    if model._supports_sdpa:
        model.set_attn_implementation(attention)
    rows = prompts(LENGTHS)
    twin = in_float64(model)
    blocks = [twin.get_submodule(path) for path in find_anatomy(twin).blocks]
    for got, row in zip(measured(model, padded(rows)), rows, strict=True):
        wanted = measure(twin, blocks, row, causal=is_causal(family))
        assert wanted.check(got, relative=1e-4, absolute=1e-6) == len(got)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_and_company_change_nothing(family: str) -> None:
    model = tiny_model(family)
    rows = prompts([70, 64, 33, 9, 1])
    alone = measured(model, *(padded([row]) for row in rows))
    together = measured(model, padded(rows))
    # The smallest number a float32 log-sum-exp can tell apart here is 1e-6 nats.
    for one, other in zip(alone, together, strict=True):
        assert_same(other, one, relative=1e-5, absolute=1e-6)


@pytest.mark.parametrize("family", ["qwen2", "llama", "phi", "gpt_neox", "bloom"])
def test_padding_on_the_left_changes_nothing(family: str) -> None:
    model = tiny_model(family)
    rows = prompts([70, 40, 9])
    right = measured(model, padded(rows))
    batch = padded(rows, left=True)
    # Models count positions from the first column unless they are told where tokens begin.
    if family != "bloom":
        batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    # Rotations at other absolute positions round differently.
    for one, other in zip(right, measured(model, batch), strict=True):
        assert_same(other, one, relative=1e-4, absolute=1e-5)


def test_heads_and_prompts_in_one_axis_are_told_apart() -> None:
    config = AutoConfig.for_model(
        "xglm",
        vocab_size=VOCABULARY,
        d_model=48,
        num_layers=3,
        attention_heads=4,
        ffn_dim=96,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    blocks = [model.get_submodule(path) for path in find_anatomy(model).blocks]
    rows = prompts([70, 33, 9, 1])
    for got, row in zip(measured(model, padded(rows)), rows, strict=True):
        # It cannot compute in float64: it hides keys by the lowest float32.
        wanted = measure(model, blocks, row, causal=True)
        assert wanted.check(got, relative=1e-4, absolute=1e-5) == len(got)


def test_a_single_token_has_no_normalised_entropy_and_says_why() -> None:
    model = tiny_model("llama")
    with attach(model, metrics=["attention_entropy_normalized", "attention_sink_mass"]) as probe:
        model(**padded(prompts([1])))
    frame = probe.frame()
    assert frame["value"].isna().all()
    assert set(frame["reason"]) == {"no query row sees two keys", "fewer than two tokens"}


def test_values_that_are_not_finite_are_null_with_a_reason() -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(torch.nan)
    with attach(model, metrics=["residual_norm"]) as probe:
        model(**padded(prompts([5])))
    frame = probe.frame().set_index("layer")
    assert frame["value"].loc[[0, 1]].gt(0).all()
    assert frame.loc[[2, 3], "value"].isna().all()
    assert set(frame.loc[[2, 3], "reason"]) == {"the model computed a number that is not finite"}
