"""Estimates are the gradients of whole models, and right where surprisal hardly bends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES
from lesioning.conftest import Loaded, batch_of, is_pair
from torch import nn

from cortexscope.interventions import Row, unit_rows
from cortexscope.lesioning._estimates import EstimatePass


def _surprisal(module: nn.Module, item: Any) -> torch.Tensor:
    inputs = {"input_ids": torch.tensor([item.ids])}
    ids = item.ids
    if item.target is not None:
        ids = item.target
        inputs["decoder_input_ids"] = torch.tensor([ids])
    logits = module(**inputs).logits[0, :-1]
    return nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="mean")


def _by_hand(module: nn.Module, item: Any, row: Row) -> np.ndarray:
    kept = []

    def watch(part: nn.Module, args: Any) -> Any:
        entries = args[0].detach().requires_grad_() if not args[0].requires_grad else args[0]
        entries.retain_grad()
        kept.append(entries)
        return (entries, *args[1:])

    handle = module.get_submodule(row.path).register_forward_pre_hook(watch)
    with torch.enable_grad():
        _surprisal(module, item).backward()
    handle.remove()
    (entries,) = kept
    products = -(entries.grad * entries).detach().reshape(-1, row.units, row.width)
    return np.asarray(products.sum((0, 2)))


@pytest.mark.parametrize("kind", ["heads", "neurons"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text", "bloom", "t5", "mixtral"])
def test_estimates_are_gradients_of_the_whole_model(family: str, kind: str, loaded: Loaded) -> None:
    side = loaded(family)
    module = side.reader.model.module
    rows = unit_rows(module, kind)
    assert bool(rows) == (family != "mixtral" or kind == "heads")
    batch = batch_of([9, 7], pair=is_pair(family))
    state = {name: own.clone() for name, own in module.state_dict().items()}
    table = EstimatePass(side, kind, rows).read(batch).to_pylist()
    assert len(table) == 2 * len(rows)
    only = "encoder" if FAMILIES[family].kind == "encoder-decoder" else "decoder"
    known = {(r["stack"], r["layer"], r["prompt_id"]): r for r in table}
    largest = 0.0
    for place, row in rows:
        for item in batch.items:
            found = known[place.stack or only, place.layer, item.prompt.id]
            wanted = _by_hand(module, item, row)
            np.testing.assert_allclose(found["surprisal_change"], wanted, rtol=1e-3, atol=1e-6)
            largest = max(largest, float(np.abs(wanted).max()))
    assert not rows or largest > 1e-4
    assert not any(p.requires_grad or p.grad is not None for p in module.parameters())
    assert all(torch.equal(own, state[name]) for name, own in module.state_dict().items())
    assert not any("forward" in vars(m) for m in module.modules())
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in module.modules())


def test_a_silent_head_is_estimated_to_be_of_no_use(loaded: Loaded) -> None:
    side = loaded("llama", lambda m: m.model.layers[1].self_attn.o_proj.weight[:, :12].zero_())
    rows = unit_rows(side.reader.model, "heads")
    for row in EstimatePass(side, "heads", rows).read(batch_of([9, 7])).to_pylist():
        assert (abs(row["surprisal_change"][0]) <= 1e-6) == (row["layer"] == 2)


def test_an_encoder_says_why_it_is_not_estimated(loaded: Loaded) -> None:
    side = loaded("bert")
    rows = unit_rows(side.reader.model, "heads")
    table = EstimatePass(side, "heads", rows).read(batch_of([9, 7])).to_pylist()
    assert {row["reason"] for row in table} == {"the model has no language-model head"}
