"""Spread one model over several devices, the processor's memory and the disk, by accelerate."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import nn
from transformers import PreTrainedModel

from cortexscope.errors import UsageError
from cortexscope.models._options import DeviceMap
from cortexscope.models._placement import choose_device
from cortexscope.models._quiet import quiet
from cortexscope.registry import suggestion

__all__ = ["input_device", "is_offloaded", "parse_device_map", "place"]

_STRATEGIES = ("auto", "balanced", "balanced_low_0", "sequential")
_STORES = ("cpu", "disk")


def parse_device_map(asked: DeviceMap) -> str | dict[str, str]:
    """Return the strategy that was asked for, or the device of each part.

    Raises:
        UsageError: if it is neither, or a device is not there.
    """
    if isinstance(asked, str) and asked in _STRATEGIES:
        return asked
    parts = _read(asked) if isinstance(asked, str) else asked
    if not parts:
        raise UsageError('The device map is empty; {"": "cpu"} puts all of a model on the CPU.')
    return {part: _device(part, device) for part, device in parts.items()}


def _read(text: str) -> Mapping[str, object]:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise UsageError(
            f"There is no device map {text!r}; {suggestion(text, _STRATEGIES)} A map of your own "
            'is JSON, such as {"model.embed_tokens": 0, "model.layers": 1, "model.norm": 1}.'
        )
    return parsed


def _device(part: str, device: object) -> str:
    if device == "disk":
        return "disk"
    name = f"cuda:{device}" if type(device) is int else device
    if not isinstance(name, str) or name == "auto":
        raise UsageError(
            f"The device map puts {part!r} on {device!r}; give a number, cpu, cuda:N, mps or disk."
        )
    return str(choose_device(name))


def place(
    built: PreTrainedModel, asked: str | dict[str, str], *, linear_bits: int | None
) -> dict[str, str]:
    """Return the device of each part of a model, by module path.

    Args:
        built: the model's outline in the dtype it will have.
        asked: what `parse_device_map` returned.
        linear_bits: bits of a weight of its linear layers where they will be quantised.

    Raises:
        UsageError: if a map names a part that is not there, or leaves parameters out.
    """
    if isinstance(asked, dict):
        _check_parts(built, asked)
        return _disjoint(asked, "", built, None)
    from accelerate import infer_auto_device_map
    from accelerate.utils import CustomDtype, get_balanced_memory, get_max_memory

    whole = list(built._no_split_modules or [])
    kinds = {4: CustomDtype.INT4, 8: torch.int8}
    output = built.get_output_embeddings()
    special = {
        f"{path}.weight": kinds[linear_bits]
        for path, module in built.named_modules()
        if linear_bits and isinstance(module, nn.Linear) and module is not output
    }
    with quiet():
        if asked == "sequential":
            memory = get_max_memory()
        else:
            memory = get_balanced_memory(
                built,
                no_split_module_classes=whole,
                special_dtypes=special,
                low_zero=asked == "balanced_low_0",
            )
        found = infer_auto_device_map(
            built, max_memory=memory, no_split_module_classes=whole, special_dtypes=special
        )
    return {part: f"cuda:{at}" if isinstance(at, int) else str(at) for part, at in found.items()}


def _check_parts(built: PreTrainedModel, asked: dict[str, str]) -> None:
    parameters = dict(built.named_parameters(remove_duplicate=False))
    known = {name for name, _ in built.named_modules()} | parameters.keys()
    for part in asked:
        if part not in known:
            raise UsageError(
                f"The device map names {part!r}, which {type(built).__name__} does not have; "
                f"{suggestion(part, known)}"
            )
    places: dict[int, tuple[str, str]] = {}
    for name, tensor in [*parameters.items(), *built.named_buffers()]:
        device = _entry(asked, name)
        if device is None:
            raise UsageError(
                f"The device map of {type(built).__name__} says nothing of {name}; name it or a "
                'module around it ("" is the whole model).'
            )
        first, other = places.setdefault(id(tensor), (name, device))
        if other != device:
            raise UsageError(
                f"{first} and {name} are one weight, and the device map puts them on {other} and "
                f"{device}; put both on one."
            )


def _disjoint(
    asked: Mapping[str, str], path: str, module: nn.Module, device: str | None
) -> dict[str, str]:
    """Return a map of which no part lies inside another, as accelerate wants it."""
    device = asked.get(path, device)
    inside = f"{path}." if path else ""
    if not any(part != path and part.startswith(inside) for part in asked):
        return {} if device is None else {path: device}
    found = {
        f"{inside}{name}": asked.get(f"{inside}{name}", device)
        for name, _ in [
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        ]
    }
    parts = {name: place for name, place in found.items() if place is not None}
    for name, child in module.named_children():
        parts |= _disjoint(asked, f"{inside}{name}", child, device)
    return parts


def _entry(placement: Mapping[str, str], name: str) -> str | None:
    """Return the device of a module or parameter: that of the closest part around it."""
    while True:
        if name in placement:
            return placement[name]
        if not name:
            return None
        name = name.rpartition(".")[0]


def is_offloaded(placement: Mapping[str, str]) -> bool:
    """Return whether weights must be moved for each pass: on disk, or beside an accelerator."""
    devices = set(placement.values())
    return "disk" in devices or ("cpu" in devices and len(devices) > 1)


def input_device(module: PreTrainedModel, placement: Mapping[str, str]) -> torch.device:
    """Return where the token ids of a placed model belong: where its embedding is computed.

    Weights that rest in memory or on disk are computed with on the first accelerator of the map.
    """
    accelerators = [device for device in placement.values() if device not in _STORES]
    first = accelerators[0] if accelerators else "cpu"
    embedding = module.get_input_embeddings()
    path = next((path for path, part in module.named_modules() if part is embedding), "")
    device = _entry(placement, path)
    return torch.device(first if device is None or device in _STORES else device)
