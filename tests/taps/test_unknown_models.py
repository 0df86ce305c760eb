"""Models that transformers does not know, and models inside wrappers: measured or refused."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import accelerate
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from cortexscope.errors import UnsupportedModelError
from cortexscope.measure import attach
from cortexscope.models import find_anatomy

WIDTH, HEADS, WORDS, PREFIX = 32, 4, 50, 3
Way = Literal["sdpa", "sdpa without heads", "softmax", "softmax without heads"]


class Mixing(nn.Module):
    """Attention under a name that says nothing, with a prefix that every row sees."""

    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.rows: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = torch.ones(length, length, dtype=torch.bool).tril()
        seen[:, :PREFIX] = True
        scores = (q.double() @ k.double().transpose(-1, -2)) / math.sqrt(q.shape[-1])
        scores = scores - scores.masked_fill(~seen, -torch.inf).amax(-1, keepdim=True)
        scores = scores.exp() * seen
        self.rows = scores / scores.sum(-1, keepdim=True)
        if self.way.endswith("without heads"):
            q, k, v = (part.reshape(batch * HEADS, length, -1) for part in (q, k, v))
        if self.way.startswith("sdpa"):
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        else:
            plain = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            mixed = plain.masked_fill(~seen, -torch.inf).softmax(-1) @ v
        mixed = mixed.view(batch, HEADS, length, -1).transpose(1, 2)
        out: Tensor = self.out(mixed.reshape(batch, length, WIDTH))
        return out


class Piece(nn.Module):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self.mixing = Mixing(way)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixing(x)
        out: Tensor = x + self.feed(x)
        return out


class Homemade(nn.Module):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.parts = [Piece(way) for _ in range(3)]
        self.pieces = nn.Sequential(*self.parts)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, words: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.pieces(self.words(words))))
        return logits


def homemade(way: Way = "sdpa") -> Homemade:
    torch.manual_seed(0)
    model = Homemade(way).eval()
    with torch.no_grad():
        for piece in model.parts:
            piece.mixing.qkv.weight.mul_(2)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("way", ["sdpa", "sdpa without heads", "softmax", "softmax without heads"])
@pytest.mark.parametrize("length", [1, 33, 70])
def test_a_module_of_ones_own_is_measured_exactly(way: Way, length: int) -> None:
    model = homemade(way)
    words = torch.randint(WORDS, (2, length), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        untouched = model(words)
        with attach(model) as probe:
            watched = model(words)
    assert torch.equal(untouched, watched)
    frame = probe.frame()
    visible = np.clip(np.arange(1, length + 1), min(PREFIX, length), None)
    for layer, piece in enumerate(model.parts, start=1):
        assert piece.mixing.rows is not None
        rows = piece.mixing.rows.numpy()
        entropy = -(rows * np.log(np.where(rows > 0, rows, 1))).sum(-1)
        several = visible > 1
        wanted = {"attention_entropy": entropy.mean(-1)}
        if several.any():
            ratios = entropy[..., several] / np.log(visible[several])
            wanted["attention_entropy_normalized"] = ratios.mean(-1)
        for metric, values in wanted.items():
            found = frame[(frame["metric"] == metric) & (frame["layer"] == layer)]
            got = found.sort_values(["prompt_id", "head"])["value"].to_numpy().reshape(2, HEADS)
            np.testing.assert_allclose(got, values, rtol=1e-4, atol=1e-6)


def test_two_stacks_of_an_unknown_model_are_not_chosen_between() -> None:
    both = nn.ModuleDict({"left": homemade(), "right": homemade()})
    with pytest.raises(UnsupportedModelError, match=r"left\.pieces, right\.pieces"):
        attach(both)


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_transformer_of_torch_has_three_stacks(batch_first: bool) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # That it will be slower.
        warnings.simplefilter("ignore", UserWarning)
        model = nn.Transformer(32, 4, 2, 3, 64, batch_first=batch_first).eval()
    source, target = torch.randn(2, 40, 32), torch.randn(2, 7, 32)
    hidden = torch.zeros(2, 40, dtype=torch.bool)
    hidden[1, 30:] = True
    inputs = (source, target) if batch_first else (source.transpose(0, 1), target.transpose(0, 1))
    with torch.no_grad(), attach(model) as probe:
        model(*inputs, src_key_padding_mask=hidden, memory_key_padding_mask=hidden)
    frame = probe.frame()
    lengths = frame.groupby(["stack", "prompt_id"])["n_tokens"].unique().explode()
    assert lengths["encoder"].tolist() == [40, 30]
    assert lengths["decoder"].tolist() == lengths["cross"].tolist() == [7, 7]
    entropy = frame[frame["metric"] == "attention_entropy"]
    # By hand: the first block's own attention over its input, without padding.
    block = model.encoder.layers[0].self_attn
    row = source[1:, :30]
    with torch.no_grad():
        _, rows = (
            block(row, row, row, average_attn_weights=False)
            if batch_first
            else block(*[row.transpose(0, 1)] * 3, average_attn_weights=False)
        )
    wanted = torch.special.entr(rows[0].double()).sum(-1).mean(-1)
    first = entropy[(entropy["stack"] == "encoder") & (entropy["layer"] == 1)]
    got = first[first["prompt_id"].str.endswith("-1")].sort_values("head")["value"]
    np.testing.assert_allclose(got.to_numpy(), wanted.numpy(), rtol=1e-4)
    assert entropy["value"].notna().all()


def tiny_llama(**options: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **options,
    )
    return LlamaForCausalLM(config).eval()


WORDS_READ = torch.randint(WORDS, (2, 35), generator=torch.Generator().manual_seed(2))


def values_of(model: nn.Module) -> np.ndarray:
    with torch.no_grad(), attach(model) as probe:
        model(WORDS_READ)
    frame = probe.frame().sort_values(["metric", "stack", "prompt_id", "layer", "head"])
    assert len(frame) > 50
    return frame["value"].to_numpy(dtype=float)


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [True, False])
def test_a_compiled_model_is_measured_and_stays_compiled(in_place: bool) -> None:
    wanted = values_of(tiny_llama())
    model: nn.Module = tiny_llama()
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        graphs.append(graph)
        return graph.forward

    if in_place:
        model.compile(backend=backend)
    else:
        model = torch.compile(model, backend=backend)  # type: ignore[assignment]
    with torch.no_grad():
        model(WORDS_READ)
        compiled = len(graphs)
        assert compiled > 0
        np.testing.assert_array_equal(values_of(model), wanted)
        model(WORDS_READ)
    assert len(graphs) == compiled


def test_hooks_of_accelerate_are_no_hindrance(tmp_path) -> None:  # type: ignore[no-untyped-def]
    wanted = values_of(tiny_llama())
    offloaded = accelerate.disk_offload(
        tiny_llama(), offload_dir=tmp_path, execution_device=torch.device("cpu")
    )
    np.testing.assert_array_equal(values_of(offloaded), wanted)


@pytest.mark.slow
def test_an_adapter_of_peft_is_measured_with_its_base() -> None:
    peft = pytest.importorskip("peft")
    model = tiny_llama()
    plain = values_of(model)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        # It asks transformers for a property by its old name.
        warnings.simplefilter("ignore", FutureWarning)
        adapted = peft.get_peft_model(model, config).eval()
    block = find_anatomy(adapted).stacks[0].blocks[0]
    assert block.neurons is not None
    assert block.neurons.endswith("layers.0.mlp.down_proj")
    changed = values_of(adapted)
    assert not np.allclose(changed, plain, equal_nan=True)
    merged = values_of(adapted.merge_and_unload())
    np.testing.assert_allclose(changed, merged, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kernel", ["flex_attention", "flash_attention_2"])
def test_attention_that_shows_no_scores_is_refused_with_the_way_out(kernel: str) -> None:
    model = tiny_llama()
    model.config._attn_implementation = kernel
    with pytest.raises(UnsupportedModelError, match="attention 'sdpa'"), attach(model):
        model(WORDS_READ)
    model.set_attn_implementation("sdpa")
    assert np.isfinite(values_of(model)).sum() > 50


def test_states_can_be_measured_where_attention_shows_no_scores() -> None:
    model = tiny_llama()
    model.config._attn_implementation = "flex_attention"
    with torch.no_grad(), attach(model, metrics=["residual_norm"]) as probe:
        model.set_attn_implementation("sdpa")
        model(WORDS_READ)
    assert probe.frame()["value"].notna().all()


def test_eager_attention_gives_the_values_of_the_fused_kernel() -> None:
    model = tiny_llama()
    wanted = values_of(model)
    model.set_attn_implementation("eager")
    np.testing.assert_allclose(values_of(model), wanted, rtol=1e-4, atol=1e-6)


def test_a_prefix_that_every_token_sees_is_counted_from_the_mask() -> None:
    model = tiny_llama()
    length, prefix = WORDS_READ.shape[1], 9
    seen = torch.ones(length, length, dtype=torch.bool).tril()
    seen[:, :prefix] = True
    with torch.no_grad(), attach(model, metrics=["attention_entropy_normalized"]) as probe:
        model(WORDS_READ, attention_mask=seen[None, None].expand(2, 1, -1, -1))
    model.set_attn_implementation("eager")
    additive = torch.zeros(2, 1, length, length).masked_fill(~seen, torch.finfo().min)
    with torch.no_grad():
        matrices = model(WORDS_READ, attention_mask=additive, output_attentions=True).attentions
    visible = seen.sum(-1).double()
    frame = probe.frame().sort_values(["layer", "prompt_id", "head"])
    wanted = torch.stack(
        [(torch.special.entr(m.double()).sum(-1) / visible.log()).mean(-1) for m in matrices]
    )
    np.testing.assert_allclose(frame["value"], wanted.flatten(), rtol=1e-4)


def test_a_mask_of_scores_that_hides_a_token_from_all_is_refused() -> None:
    seen = torch.ones(2, 1, 35, 35, dtype=torch.bool).tril()
    seen[1, :, :, :4] = False
    model = tiny_llama()
    with pytest.raises(UnsupportedModelError, match="padding cannot be told"), attach(model):
        model(WORDS_READ, attention_mask=seen)
