"""Which precision and which device a model gets."""

from __future__ import annotations

import torch
from safetensors import safe_open
from transformers import PreTrainedConfig

from cortexscope.errors import UsageError
from cortexscope.models._folder import Weights
from cortexscope.registry import suggestion

__all__ = ["choose_device", "choose_dtype", "stored_dtype"]

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp64": "float64"}
_STORED = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
_DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_dtype(name: str) -> torch.dtype:
    """Return the dtype of a name that a user gave, in full or short such as bf16.

    Raises:
        UsageError: if weights cannot be loaded so.
    """
    name = _SHORT.get(name, name)
    if name not in _DTYPES:
        raise UsageError(f"There is no dtype {name!r}; {suggestion(name, [*_DTYPES, 'auto'])}")
    return _DTYPES[name]


def stored_dtype(config: PreTrainedConfig, weights: Weights) -> torch.dtype:
    """Return the dtype that a checkpoint says it is meant for, or else is stored in."""
    stated: object = config.dtype if config.dtype is not None else config.get_text_config().dtype
    if isinstance(stated, torch.dtype) and stated in _DTYPES.values():
        return stated
    for path in weights.files:
        if path.suffix != ".safetensors":
            continue
        with safe_open(path, framework="pt") as opened:
            kinds = {opened.get_slice(key).get_dtype() for key in opened.keys()}  # noqa: SIM118
        for kind, dtype in _STORED.items():
            if kind in kinds:
                return dtype
    return torch.float32


def choose_device(name: str) -> torch.device:
    """Return the device of a name that a user gave; auto is cuda where there is one, else cpu.

    Raises:
        UsageError: if there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, number = name.partition(":")
    numbered = kind == "cuda" and number.isascii() and number.isdigit()
    if kind not in _DEVICES or (colon and not numbered):
        raise UsageError(f"There is no device {name!r}; {suggestion(name, _DEVICES)}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"The device {name!r} was asked for, but torch finds no CUDA GPU; use auto or cpu."
        )
    if colon and int(number) >= torch.cuda.device_count():
        raise UsageError(
            f"The device {name!r} was asked for, but the last of {torch.cuda.device_count()} is "
            f"cuda:{torch.cuda.device_count() - 1}; use that or auto."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("The device 'mps' was asked for, but torch cannot use it; use cpu.")
    return torch.device(name)
