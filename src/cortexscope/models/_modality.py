"""Tell models that read text, also inside of larger ones, from those that read something else."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cortexscope.errors import UnsupportedModelError
from cortexscope.models._anatomy import find_anatomy
from cortexscope.models._describe import stack_kind_of
from cortexscope.models._quiet import quiet

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

__all__ = ["check_class_reads_text", "check_reads_text"]

_TOKENS = "input_ids"
_INPUTS = {
    "image": "images",
    "video": "videos",
    "audio": "sound",
    "time": "time series",
    "pixel_values": "images",
    "pixel_values_videos": "videos",
    "flattened_patches": "images",
    "input_features": "sound",
    "input_values": "sound",
    "past_values": "time series",
}
"""What models read, by how transformers names it."""


def check_class_reads_text(known: type[PreTrainedModel], folder: Path) -> None:
    """Refuse a class of models that takes no token ids.

    Raises:
        UnsupportedModelError: if it takes none, or what it takes stands for no text.
    """
    kinds = _modalities(known)
    if not _takes_tokens(known) or (kinds and "text" not in kinds):
        raise _refusal(known, folder, "reads {what} and no text")


def check_reads_text(built: PreTrainedModel, folder: Path) -> None:
    """Refuse a model of which no part reads text alone.

    The language model of one that reads images or sound too is such a part; two encoders that are
    there to compare texts with images are none.

    Raises:
        UnsupportedModelError: if there is no such part, or its blocks cannot be found.
    """
    anatomy = find_anatomy(built)
    parts = [anatomy.scope, *(stack.backbone for stack in anatomy.stacks)]
    if not all(_takes_tokens(type(built.get_submodule(path))) for path in parts):
        raise _refusal(type(built), folder, "reads {what}, and no part of it reads text alone")
    mixed = _modalities(type(built)) - {"text"} or built.main_input_name != _TOKENS
    if mixed and stack_kind_of(built) == "encoder" and _lacks_input(built):
        raise _refusal(type(built), folder, "reads text only together with {what}")


def _modalities(known: type[PreTrainedModel]) -> frozenset[str]:
    """Return what a class says that it reads, empty where it does not say."""
    kinds = getattr(known, "input_modalities", None) or ()
    return frozenset([kinds] if isinstance(kinds, str) else kinds)


def _takes_tokens(known: type[nn.Module]) -> bool:
    parameters = inspect.signature(known.forward).parameters
    open_ended = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    return _TOKENS in parameters or open_ended


def _lacks_input(built: PreTrainedModel) -> bool:
    """Return whether the whole of an outline asks for more than token ids."""
    try:
        with quiet(), torch.no_grad():
            built(input_ids=torch.zeros(1, 4, dtype=torch.long, device="meta"))
    except (TypeError, ValueError, AttributeError):
        return True
    except RuntimeError:
        # Of numbers that an outline does not have: nothing was lacking until there.
        return False
    return False


def _refusal(known: type[PreTrainedModel], folder: Path, why: str) -> UnsupportedModelError:
    kinds = [kind for kind in sorted(_modalities(known)) if kind in _INPUTS]
    main = getattr(known, "main_input_name", _TOKENS)
    named = [_INPUTS[kind] for kind in kinds] or [_INPUTS.get(main, main)]
    what = " and ".join(named)
    return UnsupportedModelError(
        f"{folder} holds a {known.__name__}, which {why.format(what=what)}; cortexscope measures "
        "models that read text: name one, or save the part that is one in a folder of its own."
    )
