"""Watching changes nothing: not the outputs, and not the model afterwards."""

from __future__ import annotations

import pytest
import torch
from batches import padded, prompts
from families import STUDY, tiny_model
from torch import nn
from torch.overrides import _get_current_function_mode_stack

from cortexscope.errors import UnsupportedModelError
from cortexscope.measure import attach


def hooks_of(model: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


@pytest.mark.slow
@pytest.mark.parametrize("family", STUDY)
@pytest.mark.parametrize("lengths", [[1], [33], [200], [70, 64, 33, 9]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_are_bit_identical(family: str, lengths: list[int], dtype: torch.dtype) -> None:
    model = tiny_model(family).to(dtype)
    batch = padded(prompts(lengths))
    with torch.no_grad():
        untouched = model(**batch)[0]
        with attach(model):
            watched = model(**batch)[0]
    assert torch.equal(untouched, watched)


def test_key_heads_that_torch_broadcasts_are_left_to_torch() -> None:
    model = tiny_model("falcon")
    batch = padded(prompts([70, 40]))
    with torch.no_grad():
        untouched = model(**batch)[0]
        with attach(model, metrics=["attention_entropy"]) as probe:
            watched = model(**batch)[0]
    assert torch.equal(untouched, watched)
    assert probe.frame()["value"].notna().all()


def test_nothing_is_left_behind() -> None:
    model = tiny_model("llama")
    before = hooks_of(model)
    with attach(model):
        assert hooks_of(model) > before
        model(**padded(prompts([5])))
    assert hooks_of(model) == before
    assert _get_current_function_mode_stack() == []


def test_nothing_is_left_behind_after_an_error_in_the_middle() -> None:
    model = tiny_model("llama")
    before = hooks_of(model)

    class Break(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken on purpose")

    mlp = model.model.layers[1].mlp
    model.model.layers[1].mlp = Break()
    probe = attach(model)
    with pytest.raises(RuntimeError, match="on purpose"), probe:
        model(**padded(prompts([5])))
    model.model.layers[1].mlp = mlp
    assert hooks_of(model) == before
    assert _get_current_function_mode_stack() == []
    assert len(probe.frame()) == 0


def test_a_pass_after_a_failed_one_is_measured_as_if_it_were_the_first() -> None:
    model = tiny_model("llama")
    batch = padded(prompts([40, 9]))
    with attach(model) as probe:
        model(**batch)
    wanted = probe.frame()
    with attach(model) as probe:
        with pytest.raises(IndexError):
            model(input_ids=torch.tensor([[10**6]]))
        model(**batch)
    assert probe.frame()["value"].equals(wanted["value"])


def test_gradients_still_flow() -> None:
    model = tiny_model("llama")
    batch = padded(prompts([40]))
    model(**batch)[0].sum().backward()
    wanted = model.model.layers[0].self_attn.q_proj.weight.grad.clone()
    model.zero_grad()
    with attach(model) as probe:
        model(**batch)[0].sum().backward()
    assert torch.equal(model.model.layers[0].self_attn.q_proj.weight.grad, wanted)
    assert len(probe.frame()) > 0


def test_a_mask_that_hides_which_tokens_are_padding_is_refused() -> None:
    model = tiny_model("llama")
    with pytest.raises(UnsupportedModelError, match="attention_mask"), attach(model):
        model(
            input_ids=torch.tensor([[5, 6]]),
            attention_mask=torch.zeros(1, 2, 2),
        )


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="no list of blocks"):
        attach(nn.Linear(3, 3))
