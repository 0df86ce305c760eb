"""What a model is made of, as a tree that people read: parts, shapes, parameters, heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cortexscope.models._anatomy import Anatomy, StackAnatomy
from cortexscope.models._block import Block
from cortexscope.models._lists import known_part
from cortexscope.models._settings import of_layer
from cortexscope.models._traits import positional_scheme, window_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Part", "describe_parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model, with what it is made of."""

    name: str
    """What it is: `decoder`, `attention`, `final norm`."""
    path: str
    """Its module, from the model's root; for several layers that are alike, of the first."""
    parameters: int
    """Of one such part, tied ones counted where they lie."""
    detail: tuple[str, ...] = ()
    """What is to be known of it."""
    parts: tuple[Part, ...] = field(default=())


def describe_parts(module: nn.Module, anatomy: Anatomy) -> list[Part]:
    """Return the parts of a model from its input to its output.

    Args:
        module: the model, with or without weights.
        anatomy: where its parts are.
    """
    found = [_leaf(module, "embedding", anatomy.embedding)] if anatomy.embedding else []
    found += [_stack(module, stack) for stack in anatomy.stacks]
    if anatomy.unembedding:
        head = _leaf(module, "unembedding", anatomy.unembedding)
        tied = anatomy.embedding is not None and _are_tied(module, anatomy)
        found.append(_with(head, "tied to the embedding") if tied else head)
    return found


def _with(part: Part, detail: str) -> Part:
    return Part(part.name, part.path, part.parameters, (*part.detail, detail), part.parts)


def _are_tied(module: nn.Module, anatomy: Anatomy) -> bool:
    config = getattr(known_part(module), "config", None)
    if getattr(config, "tie_word_embeddings", False):
        return True
    ends = (anatomy.embedding, anatomy.unembedding)
    first, last = (getattr(module.get_submodule(path or ""), "weight", None) for path in ends)
    return first is not None and first is last


def _leaf(module: nn.Module, name: str, path: str) -> Part:
    part = module.get_submodule(path)
    return Part(name, path, _count(part), _shapes(part))


def _count(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


def _shapes(part: nn.Module) -> tuple[str, ...]:
    """Return the shape of the part's largest own parameter."""
    own = [p for p in part.parameters() if p.dim() > 1] or list(part.parameters())
    if not own:
        return ()
    largest = max(own, key=lambda parameter: parameter.numel())
    return (" x ".join(str(size) for size in largest.shape),)


def _stack(module: nn.Module, stack: StackAnatomy) -> Part:
    backbone = module.get_submodule(stack.backbone)
    config = getattr(backbone, "config", None)
    distinct = len(dict.fromkeys(stack.blocks))
    detail = [f"{len(stack.blocks)} blocks", f"positions: {positional_scheme(backbone)}"]
    if stack.width is not None:
        detail.insert(1, f"width {stack.width}")
    if distinct < len(stack.blocks):
        detail.insert(1, f"{distinct} with weights of its own, run again and again")
    blocks = tuple(_groups(module, stack, config))
    norm = () if stack.final_norm is None else (_leaf(module, "final norm", stack.final_norm),)
    return Part(stack.name, stack.backbone, _count(backbone), tuple(detail), (*blocks, *norm))


def _groups(module: nn.Module, stack: StackAnatomy, config: object) -> Iterator[Part]:
    """Yield one part for all layers that are alike, the kinds in order of their first layer."""
    kinds: dict[object, list[tuple[int, Part]]] = {}
    for layer, block in enumerate(stack.blocks, start=1):
        part = _block(module, block, layer, of_layer(config, layer))
        kinds.setdefault(_signature(part), []).append((layer, part))
    for items in kinds.values():
        layers = [layer for layer, _ in items]
        name = ("layer " if len(layers) == 1 else "layers ") + _ranges(layers)
        first = items[0][1]
        yield Part(name, first.path, first.parameters, first.detail, first.parts)


def _ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers as people write them: `1-5, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)


def _signature(part: Part) -> object:
    """Return what makes two blocks look alike: all but their paths."""
    inner = tuple(_signature(child) for child in part.parts)
    return part.name, part.parameters, part.detail, inner


def _block(module: nn.Module, block: Block, layer: int, config: object) -> Part:
    parts: list[Part] = []
    for name, path in (("attention", block.attention), ("cross-attention", block.cross_attention)):
        if path is not None:
            heads = _heads(config)
            if name == "attention":
                heads += _reach(config, layer)
            parts.append(Part(name, path, _count(module.get_submodule(path)), heads))
    for mixer in block.mixers:
        parts.append(Part(mixer.kind, mixer.path, _count(module.get_submodule(mixer.path))))
    if block.neurons is not None:
        parts.append(_neurons(module, block))
    if block.experts is not None:
        experts = module.get_submodule(block.experts)
        chosen = getattr(config, "num_experts_per_tok", None)
        detail = [f"{block.expert_count} experts"]
        if isinstance(chosen, int):
            detail.append(f"{chosen} for each token")
        parts.append(Part("experts", block.experts, _count(experts), tuple(detail)))
        if block.router is not None:
            parts.append(_leaf(module, "router", block.router))
    return Part("layer", block.path, _count(module.get_submodule(block.path)), (), tuple(parts))


def _reach(config: object, layer: int) -> tuple[str, ...]:
    """Return how far a layer's attention looks, nothing where it sees all."""
    window = window_of(config, layer)
    if window is None:
        return ()
    kinds = getattr(config, "layer_types", None) or []
    chunked = kinds[layer - 1 : layer] == ["chunked_attention"]
    return (f"chunks of {window}" if chunked else f"window {window}",)


def _heads(config: object) -> tuple[str, ...]:
    from transformers import PreTrainedConfig

    from cortexscope.models._describe import sizes_of

    detail: list[str] = []
    if isinstance(config, PreTrainedConfig):
        sizes = sizes_of(config, vocabulary=0)
        if sizes.heads:
            widths = (getattr(config, name, None) for name in ("qk_head_dim", "head_dim"))
            width = next((w for w in widths if w), sizes.hidden_size // sizes.heads)
            detail += [f"{sizes.heads} heads of {width}", f"{sizes.kv_heads} KV heads"]
        rank = getattr(config, "kv_lora_rank", None)
        if rank:
            detail[-1:] = [f"latent keys and values of rank {rank}"]
    return tuple(detail)


def _neurons(module: nn.Module, block: Block) -> Part:
    assert block.neurons is not None
    down = module.get_submodule(block.neurons)
    width = getattr(down, "in_features", None) or getattr(down, "nx", None)
    count = sum(_count(module.get_submodule(path)) for path in block.mlp)
    kind = "gated" if block.gated else "plain"
    return Part("mlp", block.neurons, count, (f"{width} neurons", kind))


def flatten(parts: Sequence[Part], depth: int = 0) -> Iterator[tuple[int, Part]]:
    """Yield every part with its depth, in reading order."""
    for part in parts:
        yield depth, part
        yield from flatten(part.parts, depth + 1)
