"""Selfcheck passes where nothing is wrong, and leaves the model as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from batches import padded, prompts
from families import tiny_model
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from transformers import AutoConfig, AutoModel

import cortexscope
from cortexscope.errors import UsageError
from cortexscope.records import Finding
from cortexscope.selfchecks import selfcheck

SAMPLE = (
    "bert",
    "albert",
    "deberta-v2",
    "modernbert",
    "longformer",
    "xlnet",
    "gpt2",
    "bloom",
    "xglm",
    "llama",
    "mistral",
    "gemma2",
    "gpt_oss",
    "deepseek_v3",
    "mixtral",
    "mamba",
    "rwkv",
    "jamba",
    "falcon_h1",
    "qwen3_next",
    "t5",
    "bart",
)


def by_check(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def failed(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings if finding.passed is False}


@pytest.mark.slow
@pytest.mark.parametrize("family", SAMPLE)
def test_nothing_fails_where_nothing_is_wrong(family: str) -> None:
    findings = selfcheck(tiny_model(family))
    assert not failed(findings)
    for finding in findings:
        assert finding.passed is None or finding.figure is not None
        assert finding.sentence.endswith(".")


@pytest.mark.slow
def test_half_precision_is_no_failure() -> None:
    findings = by_check(selfcheck(tiny_model("llama", sharpness=1).bfloat16()))
    assert not failed(tuple(findings.values()))
    tolerance = findings["eager attention"].tolerance
    assert tolerance is not None
    assert tolerance > 0.1


@pytest.mark.slow
def test_every_check_is_made_of_a_decoder_with_experts() -> None:
    findings = by_check(selfcheck(tiny_model("mixtral")))
    assert {finding.passed for finding in findings.values()} == {True}
    assert {"router scores", "chosen experts", "nothing unseen"} <= set(findings)


@pytest.mark.slow
def test_what_does_not_apply_says_why() -> None:
    encoder = by_check(selfcheck(tiny_model("bert")))
    assert encoder["residual stream"].passed is None
    assert "norm or scale" in encoder["residual stream"].sentence
    hybrid = by_check(selfcheck(tiny_model("rwkv")))
    assert hybrid["eager attention"].sentence == "The model has no softmax attention."
    assert "other outputs" in hybrid["padding left"].sentence


def test_a_model_that_reads_padding_is_told_apart() -> None:
    config = AutoConfig.for_model(
        "fnet", vocab_size=50, hidden_size=16, num_hidden_layers=2, intermediate_size=32
    )
    torch.manual_seed(0)
    findings = by_check(selfcheck(AutoModel.from_config(config)))
    assert list(failed(tuple(findings.values()))) == ["padding right"]
    assert "--batch-tokens 1" in findings["padding right"].sentence


@pytest.mark.slow
def test_prompts_reach_past_a_short_window_but_not_past_the_context() -> None:
    model = tiny_model("mistral")
    seen: list[int] = []
    handle = model.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    model.config.max_position_embeddings = 20
    selfcheck(model)
    handle.remove()
    assert max(seen) == 20


@pytest.mark.slow
def test_a_model_is_left_as_it_was() -> None:
    model = tiny_model("llama").train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    implementation = model.config._attn_implementation
    model.model.layers[1].eval()
    selfcheck(model)
    assert model.training
    assert not model.model.layers[1].training
    assert model.config._attn_implementation == implementation
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert _get_current_function_mode_stack() == []
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.slow
def test_a_seed_decides_the_prompts() -> None:
    model = tiny_model("gpt2")
    assert selfcheck(model, seed=1) == selfcheck(model, seed=1)
    assert selfcheck(model, seed=1) != selfcheck(model, seed=2)


class Own(nn.Module):
    """A model that transformers does not know, with a mask or without."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(50, 16)
        self.blocks = nn.ModuleList(OwnBlock(fused=fused) for _ in range(2))

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        state = self.table(ids)
        for block in self.blocks:
            state = block(state, attention_mask)
        assert isinstance(state, Tensor)
        return state


class OwnBlock(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.attention = OwnAttention(fused=fused)
        self.up = nn.Linear(16, 32)
        self.down = nn.Linear(32, 16)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attention(x, mask)
        result: Tensor = x + self.down(self.up(x).relu())
        return result


class OwnAttention(nn.Module):
    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.project = nn.Linear(16, 48)
        self.fused = fused

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, _ = x.shape
        parts = self.project(x).view(batch, length, 3, 2, 8).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        seen = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
        if mask is not None:
            seen = seen & mask[:, None, None].bool()
        if self.fused:
            out = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        else:
            scores = (query @ key.mT / 8**0.5).masked_fill(~seen, -1e9)
            out = scores.softmax(-1) @ value
        return out.transpose(1, 2).reshape(batch, length, 16)


@pytest.mark.slow
@pytest.mark.parametrize("fused", [True, False])
def test_a_module_that_transformers_does_not_know(fused: bool) -> None:
    findings = by_check(selfcheck(Own(fused=fused)))
    assert not failed(tuple(findings.values()))
    assert findings["eager attention"].passed is None
    for check in ("attention entropy", "residual stream", "nothing unseen", "padding right"):
        assert findings[check].passed


@pytest.mark.slow
def test_prompts_may_be_given() -> None:
    findings = selfcheck(Own(fused=True), prompts=[[1, 2, 3, 4], [5, 6, 7]])
    assert not failed(findings)


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(UsageError, match="without tokens"):
        selfcheck(Own(fused=True), prompts=[[]])
    with pytest.raises(UsageError, match="leave prompts out"):
        selfcheck(tiny_model("t5"), prompts=[[5]])


def test_it_is_part_of_the_public_surface() -> None:
    assert cortexscope.selfcheck is selfcheck


@pytest.mark.slow
def test_a_compiled_model_is_checked_uncompiled() -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        graphs.append(graph)
        return graph.forward

    compiled: Any = torch.compile(tiny_model("llama"), backend=backend)
    findings = by_check(selfcheck(compiled))
    assert not failed(tuple(findings.values()))
    assert findings["eager attention"].passed
    assert not graphs
    with torch.no_grad():
        compiled(**padded(prompts([5])))
    assert graphs


@pytest.mark.slow
def test_a_model_made_of_torchs_own_layers_is_checked() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
            self.words = nn.Embedding(50, 32)
            self.body = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(words.shape[1])
            out: torch.Tensor = self.body(self.words(words), mask=mask, is_causal=True)
            return out

    torch.manual_seed(0)
    found = by_check(selfcheck(Own().eval()))
    for check in ("attention rows", "attention entropy", "attention replaced", "nothing unseen"):
        assert found[check].passed is True, found[check]
