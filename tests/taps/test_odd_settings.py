"""Models of uncommon shape: one head, one layer, wide heads, few words, tied and untied ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from batches import inputs_for, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from reference import measure

LENGTHS = [37, 33, 2, 1]

ODD: dict[str, tuple[str, dict[str, Any]]] = {
    "one head": ("llama", {"num_attention_heads": 1}),
    "one head, one layer": ("gpt2", {"num_attention_heads": 1, "num_hidden_layers": 1}),
    "one layer": ("bert", {"num_hidden_layers": 1}),
    "head size 80": ("llama", {"head_dim": 80, "num_attention_heads": 3}),
    "head size 1": ("bert", {"hidden_size": 8, "num_attention_heads": 8}),
    "head size 2, rotary": ("llama", {"head_dim": 2, "num_key_value_heads": 4}),
    "one KV head, tied": ("qwen2", {"num_key_value_heads": 1, "tie_word_embeddings": True}),
    "untied": ("gpt2", {"tie_word_embeddings": False}),
    "eleven words": ("llama", {"vocab_size": 11}),
    "eleven words, encoder": ("bert", {"vocab_size": 11}),
    "MLP as wide as the stream": ("llama", {"intermediate_size": 48}),
    "narrow MLP": ("bert", {"intermediate_size": 7}),
    "two experts, one chosen": (
        "mixtral",
        {"num_local_experts": 2, "num_experts_per_tok": 1},
    ),
    "every expert chosen": ("qwen3_moe", {"num_experts_per_tok": 4, "norm_topk_prob": True}),
    "window of one": ("mistral", {"sliding_window": 1}),
    "fewer blocks in the decoder": ("bart", {"decoder_layers": 1}),
}


@pytest.mark.parametrize("name", ODD)
def test_uncommon_shapes_are_measured_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, changes = ODD[name]
    row = FAMILIES[family]
    row = replace(row, settings={**row.settings, **changes})
    layers = changes.get("num_hidden_layers", 3)
    if "sliding_window" in changes:
        row = replace(row, reach=(changes["sliding_window"],) * layers)
    if row.experts is not None:
        row = replace(row, experts=replace(row.experts, per_token=changes["num_experts_per_tok"]))
    monkeypatch.setitem(FAMILIES, family, row)
    model = tiny_model(family)
    batch = inputs_for(row, LENGTHS)
    if "vocab_size" in changes:
        ids = batch["input_ids"]
        batch["input_ids"] = (ids % 8 + 3) * batch["attention_mask"]
    twin = eager(model, double=row.double)
    for number, got in enumerate(measured(model, batch)):
        wanted = measure(twin, row, row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-6) == len(got) > 10


def test_a_model_whose_last_blocks_were_cut_off_is_measured() -> None:
    row = FAMILIES["llama"]
    model = tiny_model("llama")
    whole = measured(model, inputs_for(row, LENGTHS))
    model.model.layers = model.model.layers[:2]
    for full, cut in zip(whole, measured(model, inputs_for(row, LENGTHS)), strict=True):
        assert {key[2] for key in cut if key[0] == "residual_norm"} == {0, 1, 2}
        kept = {key for key in cut if key[2] is not None}
        assert {key: full[key] for key in kept} == {key: cut[key] for key in kept}
