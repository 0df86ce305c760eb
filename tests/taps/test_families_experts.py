"""Experts in odd numbers: all of them chosen, or one, or only two to choose from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from batches import Batch, padded, prompts
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from reference import measure

pytestmark = pytest.mark.usefixtures("one_thread")

MIXTURES = [name for name, row in FAMILIES.items() if row.experts is not None]
NUMBER = {
    "deepseek_v3": "n_routed_experts",
    "gpt_oss": "num_local_experts",
    "llama4_text": "num_local_experts",
    "mixtral": "num_local_experts",
}


@pytest.mark.slow
@pytest.mark.parametrize(("experts", "per_token"), [(2, 1), (2, 2), (4, 1), (4, 4), (8, 4)])
@pytest.mark.parametrize("family", MIXTURES)
def test_routing_equals_its_recomputation(family: str, experts: int, per_token: int) -> None:
    row = FAMILIES[family]
    assert row.experts is not None
    row = replace(row, experts=replace(row.experts, per_token=per_token, groups=1))
    settings = {NUMBER.get(family, "num_experts"): experts, "num_experts_per_tok": per_token}
    if family == "deepseek_v3":
        # Groups are scored by their two best.
        settings |= {"n_group": 1}
    model = tiny_model(family, **settings)
    twin = eager(model)
    # Of a single token all logits may have one sign.
    batches: list[Batch] = [padded([ids]) for ids in prompts([9, 2, *[1] * 10])]
    for batch, got in zip(batches, measured(model, *batches), strict=True):
        wanted = measure(twin, row, batch)
        assert wanted.check(got, relative=1e-4, absolute=1e-6) == len(got)
