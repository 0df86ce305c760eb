"""Layers that are shown as one give what they give one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    Gemma2Config,
    Gemma2Model,
    LlamaConfig,
    LlamaModel,
    T5Config,
    T5Model,
)

from cortexscope import attach
from cortexscope.measure._layers import Gathering, _needed
from cortexscope.metrics import MetricOptions, make_metrics, metric_names
from cortexscope.store import MEASUREMENTS
from cortexscope.taps import AttentionSample, HiddenStates, Reduced, Tokens

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 90,
}
LLAMA: dict[str, Any] = {**SIZES, "num_hidden_layers": 5, "num_key_value_heads": 2}


def llama() -> Any:
    return LlamaModel(LlamaConfig(**LLAMA))


def windows() -> Any:
    """Every other layer has a window, and all of them norms behind their branches."""
    return Gemma2Model(Gemma2Config(**LLAMA, head_dim=8, sliding_window=6))


def bert() -> Any:
    return BertModel(BertConfig(**SIZES, num_hidden_layers=3))


def t5() -> Any:
    return T5Model(T5Config(d_model=32, d_kv=8, num_heads=4, d_ff=48, num_layers=3, vocab_size=90))


def measured(module: nn.Module, *, encodes: bool) -> list[dict[Any, Any]]:
    """Return the rows of passes of several shapes, with padding on either side and samples."""
    chance = torch.Generator().manual_seed(0)
    with torch.inference_mode(), attach(module, sample_tokens=8) as probe:
        for length in (9, 9, 1, 70):
            ids = torch.randint(0, 90, (3, length), generator=chance)
            mask = torch.ones_like(ids)
            mask[1, length - length // 3 :] = 0
            mask[2, : length // 4] = 0
            more = {"decoder_input_ids": ids[:, : length // 2 + 1]} if encodes else {}
            module(ids, attention_mask=mask, **more)
    rows: list[dict[Any, Any]] = probe.frame()[list(MEASUREMENTS.names)].to_dict("records")
    return rows


def key(row: dict[Any, Any]) -> str:
    return str([row[name] for name in MEASUREMENTS.names if name not in ("value", "reason")])


@pytest.mark.parametrize("make", [llama, windows, bert, t5])
def test_layers_as_one_have_the_numbers_of_each(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    module = make().eval()
    held = measured(module, encodes=make is t5)
    monkeypatch.setattr(Gathering, "_LAYERS", 2)
    held_pairs = measured(module, encodes=make is t5)
    monkeypatch.undo()
    # Too many numbers to be kept, so that each layer is reduced while it is there.
    monkeypatch.setattr(Reduced, "FEW", 0)
    reduced = measured(module, encodes=make is t5)
    monkeypatch.setattr(Gathering, "_LAYERS", 2)
    reduced_pairs = measured(module, encodes=make is t5)
    monkeypatch.setattr(Gathering, "_ENTRIES", 0)
    single = measured(module, encodes=make is t5)
    ways = (held, held_pairs, reduced, reduced_pairs)
    for others in ways:
        assert sorted(map(key, others)) == sorted(map(key, single))
    same = {key(row): (str(row["value"]), row["reason"]) for row in single}
    for found in ways:
        assert {key(row): (str(row["value"]), row["reason"]) for row in found} == same


@pytest.mark.parametrize("make", [llama, windows, bert])
@pytest.mark.parametrize("length", [9, 70])
@pytest.mark.parametrize("few", [0, Reduced.FEW])
def test_the_first_pass_has_the_bits_of_those_that_learned_from_it(
    make: Callable[[], Any], length: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _needed.cache_clear()
    monkeypatch.setattr(Reduced, "FEW", few)
    torch.manual_seed(0)
    module = make().eval()
    ids = torch.randint(0, 90, (2, length))
    with torch.inference_mode(), attach(module, sample_tokens=8) as probe:
        for _ in range(2):
            module(ids)
    rows = probe.frame()[list(MEASUREMENTS.names)].to_dict("records")
    first, second = (
        {
            key({**row, "prompt_id": row["prompt_id"][2:]}): str(row["value"])
            for row in rows
            if str(row["prompt_id"]).startswith(f"{number}-")
        }
        for number in (0, 1)
    )
    assert first
    assert first == second


@pytest.mark.parametrize(
    "name", [metric for metric in metric_names(["all"]) if not metric.startswith("induction")]
)
def test_each_metric_alone_learns_what_it_needs(name: str) -> None:
    torch.manual_seed(0)
    module, (metric,) = llama().eval(), make_metrics([name], MetricOptions())
    own = {"masked", "masked.word", "text"} & {*metric.spec.needs}
    if metric.spec.replication != "prompt" or own:
        pytest.skip("attach does not measure it")
    with torch.inference_mode(), attach(module, metrics=[name], sample_tokens=8) as probe:
        for _ in range(2):
            module(torch.randint(0, 90, (2, 20)))
    frame = probe.frame()
    # A backbone has no head, and a dense model neither experts nor other mixers.
    absent = {"predictions", "lens", "experts", "mixers"}
    if not any(need.partition(".")[0] in absent for need in metric.spec.needs):
        assert len(frame) > 1


def test_what_is_kept_of_a_layer_does_not_change_as_the_model_goes_on() -> None:
    mask, states = Tokens(torch.ones(2, 3, dtype=torch.bool)), torch.randn(2, 3, 4)
    own = HiddenStates(states.clone(), mask, owned=True)
    assert own.held() is own
    assert HiddenStates(states, mask).held() is None
    rows = torch.softmax(torch.randn(2, 1, 3, 3), -1)
    before = rows.clone()
    shown = AttentionSample(mask, torch.arange(3)[None], rows, torch.ones(1, 1, 3, 3) > 0)
    kept = shown.held()
    assert kept is not None
    rows.zero_()
    assert torch.equal(kept.probabilities, before)


def test_what_was_not_computed_of_each_layer_is_not_made_up() -> None:
    seen = HiddenStates(torch.randn(2, 3, 4), Tokens(torch.ones(2, 3, dtype=torch.bool)))
    bare = seen.bare()
    with pytest.raises(LookupError, match="norms"):
        _ = bare.norms


def test_most_of_the_panel_sees_layers_together() -> None:
    panel = make_metrics(metric_names(None), MetricOptions())
    attending = [metric for metric in panel if metric.spec.needs[0].startswith("attention.")]
    assert len(attending) > 10
    assert all(metric.together for metric in attending if metric.spec.replication == "prompt")
