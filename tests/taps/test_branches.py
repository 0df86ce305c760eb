"""What two branches are said to add is what the block adds, in every family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model
from torch import Tensor, nn

from cortexscope.models import find_anatomy
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Neurons, Tap, Update

NORMED_SUM = {
    "bert",
    "roberta",
    "distilbert",
    "albert",
    "electra",
    "xlm-roberta",
    "mpnet",
    "deberta",
    "deberta-v2",
    "longformer",
    "xlnet",
    "bart",
    "marian",
}
"""They norm the sum of stream and update, so that a block's output is no such sum."""

MORE = {"gemma4_text", "mamba", "mamba2", "rwkv", "recurrent_gemma", "jamba", "bamba"} | {
    "falcon_h1",
    "qwen3_next",
    "qwen3_5_text",
}
"""A mixer, or an input of its own in each layer, adds to the stream as well."""


class Seer:
    """Keeps what a tap shows of one forward pass."""

    def __init__(self) -> None:
        self.states: dict[Site, Tensor] = {}
        self.neurons: dict[Site, Tensor] = {}
        self.updates: dict[Site, dict[str, Tensor]] = {}
        self.streams: list[tuple[Site, Tensor]] = []

    def begin(self) -> None: ...

    def stack(self, stack: Any, tokens: Tensor) -> None: ...

    def see(self, site: Site, seen: object) -> None:
        if isinstance(seen, Neurons):
            self.neurons[site] = seen.values.clone()
        elif isinstance(seen, HiddenStates):
            self.states[site] = seen.values.clone()
        elif isinstance(seen, Update):
            self.updates.setdefault(site, {})[seen.part] = seen.states.values.clone()
            self.streams.append((site, seen.stream.values.clone()))

    def end(self) -> None: ...

    def added(self, site: Site) -> Tensor:
        """Return what two branches add, [prompt, token, feature]."""
        return torch.stack(list(self.updates[site].values())).sum(0)

    def step(self, site: Site) -> Tensor:
        """Return what the block adds."""
        assert site.layer is not None
        return self.states[site] - self.states[Site(site.stack, site.layer - 1)]


def seen_of(model: nn.Module, **inputs: Tensor) -> Seer:
    seer = Seer()
    needs = frozenset({"hidden", "updates", "neurons"})
    with Tap(model, find_anatomy(model), needs=needs, receiver=seer), torch.no_grad():
        model(**inputs)
    return seer


def difference(left: Tensor, right: Tensor) -> float:
    return float((left - right).norm() / right.norm())


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - NORMED_SUM - MORE))
def test_attention_and_mlp_add_what_the_block_adds(family: str) -> None:
    row = FAMILIES[family]
    model = tiny_model(family)
    seer = seen_of(model, **inputs_for(row, [11]))
    stacks = find_anatomy(model).stacks
    for stack in stacks:
        # A decoder that looks at an encoder adds what it finds there too.
        if len(stacks) == 2 and stack.name == "decoder":
            continue
        for layer in range(1, 4):
            site = Site(stack.name, layer)
            assert set(seer.updates[site]) == {"attention", "mlp"}
            assert difference(seer.added(site), seer.step(site)) < 1e-6
    for site, stream in seer.streams:
        assert site.layer is not None
        assert torch.equal(stream, seer.states[Site(site.stack, site.layer - 1)])


REST = {
    "rwkv": ("attention", (1, 2, 3)),
    "jamba": ("mamba", (1, 3)),
    "bamba": ("mamba", (1, 3)),
    "falcon_h1": ("mamba", (1, 2, 3)),
    "recurrent_gemma": ("temporal_block", (1, 2)),
    "qwen3_next": ("linear_attn", (1, 3)),
    "qwen3_5_text": ("linear_attn", (1, 3)),
    "t5": ("layer.1.EncDecAttention", (1, 2, 3)),
    "m2m_100": ("encoder_attn", (1, 2, 3)),
    "pegasus": ("encoder_attn", (1, 2, 3)),
}
"""What else adds to the stream, and in which layers."""


def test_what_the_block_multiplies_a_branch_with_is_in_the_update() -> None:
    model = tiny_model("falcon_h1", attention_out_multiplier=0.5, mlp_multipliers=[1.0, 0.25])
    plain = tiny_model("falcon_h1")
    inputs = inputs_for(FAMILIES["falcon_h1"], [11])
    first = Site("decoder", 1)
    scaled, whole = seen_of(model, **inputs), seen_of(plain, **inputs)
    half = whole.updates[first]["attention"] / 2
    torch.testing.assert_close(scaled.updates[first]["attention"], half)
    down = model.get_submodule("model.layers.0.feed_forward.down_proj")
    quarter = torch.nn.functional.linear(scaled.neurons[first], *down.parameters()) / 4
    torch.testing.assert_close(scaled.updates[first]["mlp"], quarter)


@pytest.mark.parametrize("family", REST)
def test_with_the_mixer_or_cross_attention_it_is_all_that_the_block_adds(family: str) -> None:
    path, layers = REST[family]
    model = tiny_model(family)
    stack = find_anatomy(model).stacks[-1]
    others: dict[int, Tensor] = {}
    for layer, block in enumerate(stack.blocks, start=1):
        if layer in layers:
            part = model.get_submodule(f"{block.path}.{path}")

            def keep(module: nn.Module, args: object, output: Any, layer: int = layer) -> None:
                others[layer] = output[0] if isinstance(output, tuple) else output

            part.register_forward_hook(keep)
    seer = seen_of(model, **inputs_for(FAMILIES[family], [11]))
    # The first block of one family norms the stream before anything else.
    for layer in (2, 3) if family == "rwkv" else (1, 2, 3):
        site = Site(stack.name, layer)
        added = seer.added(site) + others.get(layer, torch.zeros(()))
        assert difference(added, seer.step(site)) < 1e-6


@pytest.mark.parametrize("family", sorted(NORMED_SUM - {"xlnet"}))
def test_where_the_sum_is_normed_the_update_is_what_was_added_before(family: str) -> None:
    model = tiny_model(family)
    stack = find_anatomy(model).stacks[0]
    calls: list[tuple[Tensor, Tensor]] = []
    for block in dict.fromkeys(stack.blocks):
        for part in model.get_submodule(block.path).modules():
            if "LayerNorm" in type(part).__name__:
                part.register_forward_hook(lambda m, args, out: calls.append((args[0], out)))
    seer = seen_of(model, **inputs_for(FAMILIES[family], [11]))
    calls = [call for call in calls if call[0].shape[-1] == 48]
    # Those of the encoder alone; its blocks run first.
    for layer in (1, 2, 3):
        site = Site(stack.name, layer)
        (summed, middle), (last, _) = calls[2 * layer - 2 : 2 * layer]
        before = seer.states[Site(stack.name, layer - 1)]
        updates = seer.updates[site]
        length = before.shape[1]
        assert difference(updates["attention"], (summed - before)[:, :length]) < 1e-6
        assert difference(updates["mlp"], (last - middle)[:, :length]) < 1e-6


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"mamba", "mamba2"}))
def test_neurons_are_what_the_down_projection_reads(family: str) -> None:
    model = tiny_model(family)
    read: dict[str, Tensor] = {}
    expected = set()
    for stack in find_anatomy(model).stacks:
        for layer, block in enumerate(stack.blocks, start=1):
            if block.neurons is None:
                continue
            expected.add(Site(stack.name, layer))
            down = model.get_submodule(block.neurons)

            def keep(module: nn.Module, args: Any, key: str = f"{stack.name} {layer}") -> None:
                read[key] = args[0]

            down.register_forward_pre_hook(keep)
    seer = seen_of(model, **inputs_for(FAMILIES[family], [11]))
    assert set(seer.neurons) == expected
    if family != "albert":
        for site, neurons in seer.neurons.items():
            given = read[f"{site.stack} {site.layer}"].reshape(neurons.shape)
            assert torch.equal(neurons, given)


class Own(nn.Module):
    """A block that adds in place and norms the sum, as some families do."""

    def __init__(self, *, norms_update: bool) -> None:
        super().__init__()
        self.self_attention = _Attention()
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.norm = nn.LayerNorm(16)
        self.norms_update = norms_update

    def forward(self, hidden_states: Tensor) -> Tensor:
        given: Tensor = hidden_states
        added: Tensor = self.self_attention(given)
        if self.norms_update:
            given = given + self.norm(added)
        else:
            added += given
            given = self.norm(added)
        added = self.down(self.up(given).relu())
        return torch.add(given, added)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, states: Tensor) -> Tensor:
        given: Tensor = self.out(self.qkv(states)[..., :16])
        return given


class Model(nn.Module):
    def __init__(self, *, norms_update: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Own(norms_update=norms_update) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("norms_update", [False, True])
def test_a_norm_behind_belongs_to_the_update_but_one_of_a_sum_in_place_does_not(
    norms_update: bool,
) -> None:
    torch.manual_seed(0)
    model = Model(norms_update=norms_update)
    x = torch.randn(1, 5, 16)
    seer = Seer()
    anatomy = find_anatomy(model)
    with Tap(model, anatomy, needs=frozenset({"updates", "hidden"}), receiver=seer):
        model(x)
    block = model.layers[0]
    assert isinstance(block, Own)
    with torch.no_grad():
        added = block.self_attention(x)
        wanted = block.norm(added) if norms_update else added
    got = seer.updates[Site("decoder", 1)]["attention"]
    torch.testing.assert_close(got, wanted)
