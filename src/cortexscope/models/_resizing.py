"""Room in a base model for the tokens that an adapter brings or leaves out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from torch import nn
from transformers import PreTrainedModel

from cortexscope.errors import ModelFileError
from cortexscope.models._quiet import quiet

if TYPE_CHECKING:
    import torch

__all__ = ["resize"]

_BASE = "base_model.model."
# Where the weight of a module lies when PEFT has put something around it.
_INSIDE = ("", ".base_layer", ".token_adapter.base_layer", ".modules_to_save")


def resize(
    module: PreTrainedModel,
    state: dict[str, torch.Tensor],
    *,
    copied: Collection[str],
    called: str,
) -> None:
    """Give a base as many tokens as its adapter was trained with, as PEFT asks of a user.

    Args:
        module: the base, with or without weights; changed where the numbers differ.
        state: the adapter's weights, by their names in its file.
        copied: the modules that the adapter has a whole copy of, beside the base's.
        called: how messages name the adapter.

    Raises:
        ModelFileError: if a token that the base lacks has no weights in the file.
    """
    rows, first = _rows(module, state), module.get_input_embeddings()
    if rows is None or not isinstance(first, nn.Embedding) or rows == first.num_embeddings:
        return
    if rows > first.num_embeddings:
        lacking = _unfilled(module, first, state, copied)
        if lacking:
            raise ModelFileError(
                f"{called} was trained with {rows} tokens and its base has {first.num_embeddings}, "
                f"and it holds no {' and no '.join(lacking)} of the new ones, which would be "
                "random numbers; save it again with save_embedding_layers=True."
            )
    with quiet():
        module.resize_token_embeddings(rows, mean_resizing=False)


def _rows(module: PreTrainedModel, state: dict[str, torch.Tensor]) -> int | None:
    """Return how many tokens an adapter's weights are for, None where they do not tell."""
    for end in (module.get_input_embeddings(), module.get_output_embeddings()):
        if end is None:
            continue
        for inside in _INSIDE:
            found = state.get(f"{_BASE}{_name(module, end)}{inside}.weight")
            if found is not None and found.dim() == 2:
                return found.shape[0]
        low_rank = state.get(f"{_BASE}{_name(module, end)}.lora_embedding_A")
        if low_rank is not None and low_rank.dim() == 2:
            return low_rank.shape[1]
    return None


def _unfilled(
    module: PreTrainedModel,
    first: nn.Embedding,
    state: dict[str, torch.Tensor],
    copied: Collection[str],
) -> list[str]:
    """Return the parts of a model's two ends whose new rows an adapter does not fill."""
    entry = f"{_BASE}{_name(module, first)}"
    lacking = [] if _holds(state, entry, "weight") else ["embedding"]
    last = module.get_output_embeddings()
    if last is None:
        return lacking
    end = f"{_BASE}{_name(module, last)}"
    # A tied output follows the base's own embedding, and not a copy that stands in its place.
    tied = getattr(last, "weight", None) is first.weight
    copy = entry.rpartition(".")[2] in copied
    own = f"{entry}.original_module.weight" in state if copy else not lacking
    if not (_holds(state, end, "weight") or (tied and own)):
        lacking.append("output weights")
    if getattr(last, "bias", None) is not None and not _holds(state, end, "bias"):
        lacking.append("output biases")
    return lacking


def _holds(state: dict[str, torch.Tensor], place: str, kind: str) -> bool:
    return any(f"{place}{inside}.{kind}" in state for inside in _INSIDE)


def _name(module: nn.Module, part: nn.Module) -> str:
    names: dict[nn.Module, str] = {found: name for name, found in module.named_modules()}
    return names[part]
