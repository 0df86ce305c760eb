"""Parts are found by structure: in every family, and in modules that nobody has seen before."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, tiny_model
from torch import nn
from transformers import XLMConfig, XLMWithLMHeadModel

from cortexscope.errors import UnsupportedModelError
from cortexscope.metrics import metric_specs
from cortexscope.metrics.base.applicability import inapplicable
from cortexscope.models import Block, describe_parts, find_anatomy
from cortexscope.models._block import find_blocks
from cortexscope.models._inspect import flatten
from cortexscope.models._settings import of_layer
from cortexscope.models._traits import positional_scheme, window_of

MIXERS = {
    "mamba": "state space",
    "mamba2": "state space",
    "jamba": "state space",
    "bamba": "state space",
    "falcon_h1": "state space",
    "rwkv": "linear attention",
    "qwen3_next": "linear attention",
    "qwen3_5_text": "linear attention",
    "recurrent_gemma": "gated linear recurrence",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_part_of_a_block_is_found(family: str) -> None:
    row = FAMILIES[family]
    model = tiny_model(family)
    anatomy = find_anatomy(model)
    names = [stack.name for stack in anatomy.stacks]
    assert names == (["encoder", "decoder"] if row.kind == "encoder-decoder" else [row.kind])
    for stack in anatomy.stacks:
        assert len(stack.blocks) == 3
        assert stack.width == 48
        for number, block in enumerate(stack.blocks):
            attends = not row.reach or row.reach[number] != 0
            assert (block.attention is not None) == attends
            assert (block.cross_attention is not None) == (
                names == ["encoder", "decoder"] and (stack.name == "decoder")
            )
            kinds = {mixer.kind for mixer in block.mixers}
            assert kinds <= {MIXERS.get(family)}
            assert kinds or attends
            routed = row.experts is not None and number + 1 in (row.experts.layers or (1, 2, 3))
            assert (block.router is not None) == (block.experts is not None) == routed
            if routed:
                assert block.expert_count == (8 if family == "deepseek_v3" else 4)
            elif not family.startswith("mamba"):
                assert block.neurons is not None
                down = model.get_submodule(block.neurons)
                assert getattr(down, "out_features", getattr(down, "nf", None)) == 48
            _check_ends(model, family, block)


def _check_ends(model: nn.Module, family: str, block: Block) -> None:
    """Assert that each branch ends in a part that leads back to the stream."""
    scale = 0.5 if family == "granite" else 1
    assert (block.attention_scale, block.mlp_scale) == (scale, scale)
    # One family multiplies with bare parameters.
    ends = block.attention is not None and family != "xlnet"
    assert (block.attention_output is not None) == ends
    if block.attention is not None and block.attention_output is not None:
        assert block.attention_output.startswith(f"{block.attention}.")
        matrix = model.get_submodule(block.attention_output)
        assert getattr(matrix, "out_features", getattr(matrix, "nf", None)) == 48
    if block.neurons is not None:
        around = block.neurons.rpartition(".")[0]
        adds_itself = family in ("bloom", "mpt", "xlnet", "bert", "roberta", "electra", "albert")
        assert block.mlp_output in (block.neurons, around)
        assert block.mlp_output == block.neurons or not adds_itself
    elif block.experts is not None:
        assert block.mlp_output is not None
        assert block.experts.startswith(f"{block.mlp_output}.")
    else:
        assert block.mlp_output is None


@pytest.mark.parametrize(
    ("family", "gated"),
    [
        ("llama", True),
        ("phi3", True),
        ("gemma2", True),
        ("modernbert", True),
        ("bert", False),
        ("gpt2", False),
        ("t5", False),
        ("opt", False),
        ("rwkv", False),
        ("ctrl", False),
    ],
)
def test_gated_and_plain_neurons_are_told_apart(family: str, gated: bool) -> None:
    model = tiny_model(family)
    block = find_anatomy(model).stacks[0].blocks[0]
    assert block.gated is gated
    seen = []
    down = model.get_submodule(block.neurons or "")
    down.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[-1]))
    with torch.no_grad():
        ids = torch.tensor([[5, 6, 7]])
        model(input_ids=ids, **({"decoder_input_ids": ids} if family == "t5" else {}))
    assert seen[0] == {"gpt2": 192}.get(family, seen[0]) != 48


@pytest.mark.parametrize(
    ("family", "scheme"),
    [
        ("llama", "rotary"),
        ("gptj", "rotary"),
        ("bert", "learned absolute"),
        ("gpt2", "learned absolute"),
        ("opt", "learned absolute"),
        ("bloom", "linear bias (ALiBi)"),
        ("mpt", "linear bias (ALiBi)"),
        ("t5", "relative bias"),
        ("mpnet", "relative bias"),
        ("deberta-v2", "relative bias"),
        ("xlnet", "relative bias"),
        ("xglm", "sinusoidal"),
        ("m2m_100", "sinusoidal"),
        ("marian", "sinusoidal"),
        ("ctrl", "sinusoidal"),
        ("mamba", "none"),
        ("rwkv", "none"),
        ("jamba", "none"),
    ],
)
def test_positional_schemes_are_recognised(family: str, scheme: str) -> None:
    model = tiny_model(family)
    backbone = find_anatomy(model).stacks[0].backbone
    assert positional_scheme(model.get_submodule(backbone)) == scheme


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_are_those_of_the_family(family: str) -> None:
    row = FAMILIES[family]
    if not row.reach:
        return
    model = tiny_model(family)
    config = model.get_submodule(find_anatomy(model).stacks[0].backbone).config
    for layer, reach in enumerate(row.reach, start=1):
        if reach != 0:
            assert window_of(of_layer(config, layer), layer) == reach


@pytest.mark.parametrize("family", ["bert", "gpt2", "gpt_oss", "t5", "albert", "jamba", "llama"])
def test_the_tree_accounts_for_every_parameter_once_at_each_level(family: str) -> None:
    model = tiny_model(family)
    parts = describe_parts(model, find_anatomy(model))
    for _, part in flatten(parts):
        assert part.parameters >= max((inner.parameters for inner in part.parts), default=0)
        owned = model.get_submodule(part.path)
        if part.name != "mlp":
            assert part.parameters == sum(p.numel() for p in owned.parameters())
    text = "\n".join(f"{part.name} {part.detail}" for _, part in flatten(parts))
    assert ("tied to the embedding" in text) == (family in ("gpt2", "t5"))


def test_metrics_that_do_not_apply_are_named_with_the_reason() -> None:
    specs = metric_specs()
    found = inapplicable(specs, find_anatomy(tiny_model("mamba")))
    assert found["attention_entropy"] == "no attention layers"
    assert found["expert_load"] == "no experts"
    assert "residual_norm" not in found
    found = inapplicable(specs, find_anatomy(tiny_model("mixtral")))
    assert found["neuron_hoyer"] == "no MLP with a down projection was found"
    assert not {"attention_entropy", "expert_load", "mlp_contribution"} & set(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_block_has_the_parts_that_it_has_alone(family: str) -> None:
    model = tiny_model(family)
    for stack in find_anatomy(model).stacks:
        for block in stack.blocks:
            alone = find_blocks(
                {block.path: model.get_submodule(block.path)},
                width=stack.width, crosses=stack.name == "decoder",
            )  # fmt: skip
            assert alone == {block.path: block}


def test_blocks_that_differ_in_one_thing_are_told_apart() -> None:
    class Part(nn.Module):
        def __init__(self, inner: int) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(8, inner), nn.Linear(inner, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Item(nn.Module):
        def __init__(self, inner: int = 32, scale: float = 1.0) -> None:
            super().__init__()
            self.mlp, self.residual_multiplier = Part(inner), scale

    def of_two(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y

    items = {
        f"blocks.{n}": item for n, item in enumerate([Item(), Item(scale=0.5), Item(), Item(24)])
    }
    vars(items["blocks.2"].mlp)["forward"] = of_two
    items["blocks.10"] = Item()
    found = find_blocks(items, width=8, crosses=False)
    assert [block.path for block in found.values()] == list(items)
    assert [block.mlp_scale for block in found.values()] == [1.0, 0.5, 1.0, 1.0, 1.0]
    # A part that is given two states is not what leads back to the stream.
    assert [block.mlp_output for block in found.values()] == [
        "blocks.0.mlp", "blocks.1.mlp", "blocks.2.mlp.down", "blocks.3.mlp", "blocks.10.mlp",
    ]  # fmt: skip
    assert found["blocks.10"].mlp == ("blocks.10.mlp.up", "blocks.10.mlp.down")
    del items["blocks.3"].mlp.up
    assert find_blocks(items, width=8, crosses=False)["blocks.3"].neurons is None


def test_layers_that_are_no_modules_are_refused() -> None:
    config = XLMConfig(vocab_size=211, emb_dim=48, n_layers=3, n_heads=4)
    with pytest.raises(UnsupportedModelError, match="side by side"):
        find_anatomy(XLMWithLMHeadModel(config))


def test_a_model_that_runs_without_its_blocks_is_refused() -> None:
    from cortexscope.measure import attach

    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    model = Skips()
    with pytest.raises(UnsupportedModelError, match="without its blocks"), attach(model):
        model(torch.zeros(1, 3, 16))


def test_layers_whose_sizes_differ_are_described_one_by_one() -> None:
    model = tiny_model("gemma4_text")
    parts = describe_parts(model, find_anatomy(model))
    layers = [part for _, part in flatten(parts) if part.name.startswith("layer")]
    assert [layer.name for layer in layers] == ["layers 1-2", "layer 3"]
    heads = [layer.parts[0].detail for layer in layers]
    assert heads[0] == ("4 heads of 16", "2 KV heads", "window 8")
    assert heads[1] == ("4 heads of 24", "2 KV heads")
    # Beside the MLP there is a narrower way in, which is not it.
    assert layers[0].parts[1].path == "model.layers.0.mlp.down_proj"
