"""Blocks that write over what was shown are measured like those that do not."""

from __future__ import annotations

from types import MethodType
from typing import Any

import pandas as pd
import pytest
import torch
from families import tiny_model
from torch import Tensor, nn

from cortexscope.measure import attach


def _measured(model: nn.Module, dtype: torch.dtype = torch.float32) -> tuple[pd.DataFrame, Tensor]:
    ids = torch.arange(3, 27).view(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    with attach(model.to(dtype), metrics=["all"], sample_tokens=5) as probe, torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits
    return probe.frame(), logits


def _same(one: tuple[pd.DataFrame, Tensor], two: tuple[pd.DataFrame, Tensor]) -> None:
    assert torch.equal(one[1], two[1])
    assert one[0]["value"].notna().sum() > 500
    pd.testing.assert_frame_equal(one[0], two[0], check_exact=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_stream_that_blocks_add_to_in_place(dtype: torch.dtype) -> None:
    model = tiny_model("llama")
    plain = _measured(model, dtype)

    def forward(self: Any, hidden_states: Tensor, **known: Any) -> Tensor:
        added, _ = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **known)
        hidden_states += added
        hidden_states += self.mlp(self.post_attention_layernorm(hidden_states))
        return hidden_states

    for block in model.model.layers:
        block.forward = MethodType(forward, block)
    _same(plain, _measured(model, dtype))


def test_a_router_whose_scores_are_used_up() -> None:
    model = tiny_model("mixtral")
    plain = _measured(model)
    told: list[Tensor] = []
    for block in model.model.layers:

        def tells(module: nn.Module, args: object, output: tuple[Tensor, ...]) -> None:
            told[:] = output

        def uses_up(module: nn.Module, args: object, output: object) -> None:
            for tensor in told:
                tensor.zero_()

        block.mlp.gate.register_forward_hook(tells)
        block.mlp.experts.register_forward_hook(uses_up)
    _same(plain, _measured(model))


def test_a_mask_that_a_model_goes_on_to_write_in() -> None:
    torch.manual_seed(0)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

        def forward(self, states: Tensor, mask: Tensor) -> Tensor:
            q, k, v = self.qkv(states).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            out: Tensor = states + self.out(mixed.transpose(1, 2).flatten(2))
            return out

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(Block() for _ in range(2))

        def forward(self, states: Tensor) -> Tensor:
            mask = torch.zeros(1, 1, 6, 6)
            for layer in self.layers:
                # Each block sees one key less.
                mask[..., 5 - layer.number :] = -torch.inf  # type: ignore[operator]
                states = layer(states, mask)
            return states

    model = Model()
    for number, layer in enumerate(model.layers):
        layer.number = number  # type: ignore[assignment]
    with attach(model, metrics=["attention_entropy_normalized"]) as probe, torch.no_grad():
        model(torch.zeros(1, 6, 16))
    # All keys are alike, so that each row is even over those it sees.
    frame = probe.frame()
    assert frame["value"].tolist() == pytest.approx([1.0] * len(frame), abs=1e-6)
    assert len(frame) == 4
