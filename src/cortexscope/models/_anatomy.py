"""Find a model's parts by structure: its backbone and its blocks, without a list of families."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Anatomy", "find_anatomy"]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Where the parts of one model are, as module paths from its root (`""` is the root)."""

    backbone: str
    """The module whose input is tokens and whose output is the state after the final norm."""
    blocks: tuple[str, ...]
    """The blocks in the order they run; block number i gives layer i + 1."""


def find_anatomy(module: nn.Module) -> Anatomy:
    """Return the backbone and the blocks of a language model.

    The blocks are the items of the outermost `ModuleList` of one class that holds the most
    parameters; the backbone is the closest module around it that is a whole model by itself
    (a `PreTrainedModel`), or else the module that owns the list.

    Args:
        module: a Hugging Face model, or any module with its blocks in a `ModuleList`.

    Raises:
        UnsupportedModelError: if there is no such list, or there are two stacks of blocks.
    """
    lists = _block_lists(module)
    kind = type(module).__name__
    if not lists:
        raise UnsupportedModelError(
            f"{kind} has no list of blocks: no torch.nn.ModuleList of modules of one class was "
            "found in it, so its layers cannot be told apart."
        )
    weights = {
        path: sum(p.numel() for p in module.get_submodule(path).parameters()) for path in lists
    }
    config = getattr(module, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedModelError(
            f"{kind} has an encoder and a decoder; only models of one stack can be measured so far."
        )
    chosen = max(lists, key=lambda path: weights[path])
    return Anatomy(
        backbone=_backbone(module, chosen),
        blocks=tuple(f"{chosen}.{i}" for i in range(len(module.get_submodule(chosen)._modules))),
    )


def _block_lists(module: nn.Module) -> list[str]:
    from torch import nn

    found: list[str] = []
    for path, part in module.named_modules():
        inside = any(path.startswith(outer + ".") for outer in found)
        if isinstance(part, nn.ModuleList) and len(part) and not inside:
            kinds = {type(item) for item in part}
            if len(kinds) == 1 and any(True for _ in part.parameters()):
                found.append(path)
    return found


def _backbone(module: nn.Module, blocks: str) -> str:
    from transformers import PreTrainedModel

    owner = blocks.rpartition(".")[0]
    path = owner
    while True:
        if isinstance(module.get_submodule(path), PreTrainedModel):
            return path
        if not path:
            return owner
        path = path.rpartition(".")[0]
