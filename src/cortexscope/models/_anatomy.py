"""Find a model's parts by structure: its stacks, their blocks, and what each block is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.models._block import Block, common_width, find_blocks
from cortexscope.models._lists import backbone_of, choose_lists, integers, known_part
from cortexscope.models._peculiar import Peculiar, peculiarities
from cortexscope.records import Stack

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Anatomy", "StackAnatomy", "find_anatomy"]

_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")


@dataclass(frozen=True, slots=True)
class StackAnatomy:
    """One stack of blocks, as module paths from the model's root (`""` is the root)."""

    name: Stack
    """`encoder` or `decoder`."""
    backbone: str
    """The module whose input is tokens and whose output is the state after the final norm."""
    blocks: tuple[Block, ...]
    """In the order they run; block number i gives layer i + 1. What runs twice is here twice."""
    width: int | None
    """Features of the residual stream, None where neither configuration nor matrices tell."""
    final_norm: str | None
    """The norm between the last block and the output, None where blocks end with their own."""
    peculiar: Peculiar

    @property
    def has_cross_attention(self) -> bool:
        """Whether its blocks look at another stack too."""
        return any(block.cross_attention for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the parts of one model are, as module paths from its root (`""` is the root)."""

    stacks: tuple[StackAnatomy, ...]
    """One, or an encoder and a decoder."""
    scope: str
    """The smallest module that holds all stacks; its call is one forward pass."""
    embedding: str | None
    """Turns token ids into vectors."""
    unembedding: str | None
    """Turns the last state into logits; None where the model has no such head."""


def find_anatomy(module: nn.Module) -> Anatomy:
    """Return the stacks, blocks and parts of a language model.

    The blocks are the items of the outermost list of modules that holds the most parameters, or
    of the two lists of a model with an encoder and a decoder; the backbone is the closest module
    around them that is a whole model by itself (a `PreTrainedModel`), or else the list's owner.

    Args:
        module: a Hugging Face model, wrapped or not, or any module with its blocks in a list.

    Raises:
        UnsupportedModelError: if there is no such list, or there are several and nothing says
            which one is the model.
    """
    chosen = choose_lists(module)
    backbones = [backbone_of(module, path) for path in chosen]
    names = _names(module, chosen)
    stacks = tuple(
        _stack(module, path, backbone, name)
        for path, backbone, name in zip(chosen, backbones, names, strict=True)
    )
    embedding, unembedding = _ends(module)
    return Anatomy(
        stacks=stacks, scope=_common(backbones), embedding=embedding, unembedding=unembedding
    )


def _names(module: nn.Module, chosen: list[str]) -> list[Stack]:
    if len(chosen) == 2:
        return ["encoder", "decoder"]
    from cortexscope.models._describe import stack_kind_of

    part = known_part(module)
    return ["encoder" if part is not None and stack_kind_of(part) == "encoder" else "decoder"]


def _common(paths: list[str]) -> str:
    parts = [path.split(".") if path else [] for path in paths]
    shared = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)


def _stack(module: nn.Module, path: str, backbone: str, name: Stack) -> StackAnatomy:
    part = known_part(module)
    config = getattr(module.get_submodule(backbone), "config", getattr(part, "config", None))
    items = [f"{path}.{key}" for key in module.get_submodule(path)._modules]
    width = next(integers(config, _WIDTHS), None)
    if width is None:
        width = common_width(module.get_submodule(path))
    blocks = find_blocks(
        {item: module.get_submodule(item) for item in items},
        width=width, crosses=name == "decoder",
    )  # fmt: skip
    peculiar = peculiarities(
        module.get_submodule(backbone), getattr(config, "model_type", None), name
    )
    times = 1
    if peculiar.shared_blocks:
        times = getattr(config, "num_hidden_layers", len(items)) // len(items)
    return StackAnatomy(
        name=name,
        backbone=backbone,
        blocks=tuple(blocks[item] for item in items for _ in range(times)),
        width=width,
        final_norm=_final_norm(module, path, backbone),
        peculiar=peculiar,
    )


def _final_norm(module: nn.Module, blocks: str, backbone: str) -> str | None:
    """Return the last norm that stands beside the blocks and belongs to no other part."""
    owner = blocks.rpartition(".")[0]
    while True:
        norms = [
            name
            for name, child in module.get_submodule(owner).named_children()
            if "norm" in type(child).__name__.lower() and not re.search("emb|proj", name)
        ]
        if norms:
            return f"{owner}.{norms[-1]}".lstrip(".")
        if owner == backbone or not owner:
            return None
        owner = owner.rpartition(".")[0]


def _ends(module: nn.Module) -> tuple[str | None, str | None]:
    """Return where the embedding and the unembedding are."""
    from torch import nn

    paths = {id(part): path for path, part in module.named_modules(remove_duplicate=False)}
    known = known_part(module)
    if known is None:
        tables = [(path, m) for path, m in module.named_modules() if isinstance(m, nn.Embedding)]
        largest = max(tables, key=lambda pair: pair[1].num_embeddings, default=None)
        if largest is None:
            return None, None
        heads = [
            path
            for path, part in module.named_modules()
            if getattr(part, "out_features", None) == largest[1].num_embeddings
        ]
        return largest[0], heads[-1] if heads else None
    found: list[str | None] = []
    for end in (known.get_input_embeddings, known.get_output_embeddings):
        try:
            found.append(paths.get(id(end())))
        except (NotImplementedError, AttributeError):
            found.append(None)
    return found[0], found[1]
