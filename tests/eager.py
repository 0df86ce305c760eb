"""What a model computes of one prompt, as whole matrices: attention spelled out, in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from batches import Batch
from family import Family
from torch import Tensor, nn
from transformers import PreTrainedModel

__all__ = ["Attention", "Routing", "Stack", "eager", "watch"]


class Attention(NamedTuple):
    """Of one layer."""

    probabilities: np.ndarray
    """[head, query, key]."""
    visible: np.ndarray
    """Whether the family lets a query see a key, [query, key]."""
    sink: bool
    """What a row lacks to 1 went to an outcome that is no key."""


class Routing(NamedTuple):
    """Of one layer with experts."""

    scores: np.ndarray
    """Of each expert before the choice; they sum to 1, [token, expert]."""
    chosen: np.ndarray
    """[token, slot]."""


class Stack(NamedTuple):
    """Of one stack; the layers of cross-attention are a stack without states."""

    name: str
    layers: int
    attention: dict[int, Attention]
    routing: dict[int, Routing]
    states: list[np.ndarray]
    """The embedding output and what each block gives, [token, feature]."""
    final: np.ndarray | None
    """The state after the final norm."""


def eager(model: Any, *, double: bool = True) -> Any:
    """Return a copy that spells attention out, and computes in float64 if `double`."""
    twin = copy.deepcopy(model).eval()
    for part in twin.modules():
        if isinstance(part, PreTrainedModel):
            # Families that cannot be asked to change it still read it as they run.
            part.config._attn_implementation = "eager"
            part.config._experts_implementation = "eager"
            # One family keeps the state of one pass for the next.
            part.config.use_cache = False
    return twin.double() if double else twin


def watch(twin: Any, family: Family, inputs: Batch) -> list[Stack]:
    """Run one prompt; of padding only what it does to the tokens is seen.

    Args:
        twin: the model, spelled out.
        family: its row.
        inputs: of one prompt.
    """
    both = family.kind == "encoder-decoder"
    run = twin if both else twin.base_model
    home = getattr(twin, "model", twin) if both else run
    paths = {"encoder": "encoder.", "decoder": "decoder."} if both else {family.kind: ""}
    blocks = {name: home.get_submodule(path + family.blocks) for name, path in paths.items()}
    outputs: dict[str, list[Tensor]] = {name: [] for name in blocks}
    routed: dict[int, Tensor] = {}
    with ExitStack() as hooks, torch.no_grad():
        for name, modules in blocks.items():
            for block in modules:
                hooks.callback(block.register_forward_hook(_output_to(outputs[name])).remove)
        for layer, mlp in _routers(family, blocks):
            hooks.callback(mlp.register_forward_pre_hook(_input_to(routed, layer)).remove)
        result = run(**inputs, output_attentions=True, output_hidden_states=True)

    masks = {
        name: inputs.get(f"{name}_attention_mask", inputs["attention_mask"]) for name in blocks
    }
    tokens = {name: mask[0].bool().numpy() for name, mask in masks.items()}
    stacks = []
    for name in blocks:
        prefix = f"{name}_" if both else ""
        kept = tokens[name]
        returned = [_of_tokens(state, kept) for state in result[f"{prefix}hidden_states"]]
        if not family.embedded:
            embedding = twin.get_input_embeddings()(inputs["input_ids"]).detach()
            returned = [_of_tokens(embedding, kept), *returned[:-2], returned[-1]]
        states = [returned[0], *(_of_tokens(state, kept) for state in outputs[name])]
        # So the blocks are those that the model itself counts.
        assert all(np.array_equal(*pair) for pair in zip(returned[:-1], states[:-1], strict=True))
        matrices = [p[0] for p in result.get(f"{prefix}attentions") or () if p is not None]
        stacks.append(
            Stack(
                name,
                layers=len(states) - 1,
                attention=_attention(family, name, matrices, kept, layers=len(states) - 1),
                routing={
                    layer: _routing(family, mlp, _of_tokens(routed[layer], kept))
                    for layer, mlp in _routers(family, blocks)
                },
                states=states,
                final=returned[-1],
            )
        )
    if both:
        stacks.append(_cross(result["cross_attentions"], tokens["decoder"], tokens["encoder"]))
    return stacks


def _output_to(kept: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(module: nn.Module, args: object, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    return keep


def _input_to(kept: dict[int, Tensor], layer: int) -> Callable[[nn.Module, Any], None]:
    def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
        kept[layer] = args[0]

    return keep


def _of_tokens(state: Tensor, kept: np.ndarray) -> np.ndarray:
    """Return the states of the tokens, [token, feature].

    One family puts the prompt second, and one adds padding of its own at the end.
    """
    rows: np.ndarray = state.double().numpy().reshape(-1, state.shape[-1])
    of_tokens: np.ndarray = rows[: kept.size][kept]
    return of_tokens


def _routers(family: Family, blocks: dict[str, Any]) -> list[tuple[int, nn.Module]]:
    experts = family.experts
    if experts is None:
        return []
    modules = blocks["decoder"]
    return [(layer, modules[layer - 1].get_submodule(experts.mlp)) for layer in experts.layers]


def _attention(
    family: Family, stack: str, matrices: list[Tensor], kept: np.ndarray, *, layers: int
) -> dict[int, Attention]:
    reach = family.reach or (None,) * layers
    attending = [layer for layer in range(1, layers + 1) if reach[layer - 1] != 0]
    if not attending:
        return {}
    places = np.arange(kept.sum())
    back = places[:, None] - places
    found = {}
    for layer, matrix in zip(attending, matrices, strict=True):
        probabilities = matrix.double().numpy()
        if family.banded:
            probabilities = _unbanded(probabilities)
        probabilities = probabilities[:, kept][:, :, kept]
        visible = back >= 0 if stack == "decoder" else back == back
        width = reach[layer - 1]
        if width is not None and family.chunked:
            visible &= places[:, None] // width == places // width
        elif width is not None:
            visible &= np.abs(back) < width
        assert np.array_equal((probabilities > 0).any(0), visible), layer
        found[layer] = Attention(probabilities, visible, family.sink)
    return found


def _unbanded(band: np.ndarray) -> np.ndarray:
    """Return [head, query, key] of [head, query, distance], the middle column being the query."""
    heads, length, width = band.shape
    whole = np.zeros((heads, length, length + width - 1))
    for query in range(length):
        whole[:, query, query : query + width] = band[:, query]
    return whole[:, :, width // 2 : width // 2 + length]


def _cross(matrices: Sequence[Tensor], queries: np.ndarray, keys: np.ndarray) -> Stack:
    found = {}
    for layer, matrix in enumerate(matrices, start=1):
        probabilities = matrix[0].double().numpy()[:, queries][:, :, keys]
        visible = np.ones(probabilities.shape[1:], dtype=bool)
        assert np.array_equal((probabilities > 0).any(0), visible), layer
        found[layer] = Attention(probabilities, visible, sink=False)
    return Stack("cross", len(found), found, {}, [], None)


def _routing(family: Family, mlp: Any, seen: np.ndarray) -> Routing:
    """Route tokens by the published rule: the best experts of the best group."""
    experts = family.experts
    assert experts is not None
    router = mlp.get_submodule(experts.router)
    logits = seen @ router.weight.detach().double().numpy().T
    if getattr(router, "bias", None) is not None:
        logits += router.bias.detach().double().numpy()
    if experts.sigmoid:
        scores = 1 / (1 + np.exp(-logits))
    else:
        scores = np.exp(logits - logits.max(-1, keepdims=True))
    correction = getattr(router, "e_score_correction_bias", None)
    choice = scores if correction is None else scores + correction.double().numpy()
    if experts.groups > 1:
        grouped = np.sort(choice.reshape(len(choice), experts.groups, -1), axis=-1)
        best = grouped[:, :, -2:].sum(-1).argmax(-1)
        of_group = np.arange(choice.shape[1]) // (choice.shape[1] // experts.groups)
        choice = np.where(of_group == best[:, None], choice, -np.inf)
    chosen = np.argsort(-choice, axis=-1)[:, : experts.per_token]
    return Routing(scores / scores.sum(-1, keepdims=True), chosen)
