"""Weights in few bits: quantised while they load, or stored so in the checkpoint."""

from __future__ import annotations

import importlib.metadata
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from cortexscope.errors import UnknownNameError, UnsupportedModelError, UsageError
from cortexscope.models._quiet import quiet, reason
from cortexscope.registry import suggestion

if TYPE_CHECKING:
    from transformers import PreTrainedConfig
    from transformers.utils.quantization_config import QuantizationConfigMixin

__all__ = [
    "QUANTIZATIONS",
    "check_quantization",
    "check_stored",
    "hush_backend",
    "keeps_dtype",
    "linear_bits",
    "quantization_config",
    "require",
    "stored_method",
    "without_kernels",
]


class _Way(NamedTuple):
    package: str
    bits: int


QUANTIZATIONS = {
    "bnb-8bit": _Way("bitsandbytes", 8),
    "bnb-4bit": _Way("bitsandbytes", 4),
    "torchao-int8": _Way("torchao", 8),
    "quanto-int8": _Way("optimum-quanto", 8),
}
"""How linear layers can be quantised while they load; embeddings and the output stay whole.

`bnb-8bit` is LLM.int8() and `bnb-4bit` NF4, both of bitsandbytes; the other two round the weights
alone to int8, for each output channel.
"""

# What each kind of stored weights needs installed. A kind that would fetch code to run is not here.
_STORED: dict[str, tuple[str, ...]] = {
    "aqlm": ("aqlm",),
    "auto-round": ("auto-round",),
    "awq": ("gptqmodel",),
    "bitnet": (),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed-tensors",),
    "fbgemm_fp8": ("fbgemm-gpu",),
    "fp8": (),
    "gptq": ("gptqmodel", "optimum"),
    "hqq": ("hqq",),
    "mxfp4": (),
    "mxfp8": (),
    "quanto": ("optimum-quanto",),
    "torchao": ("torchao",),
}
# The kernels for these are code that is fetched from the hub, and compressed-tensors unpacks in a
# pass through the whole model, of which a run calls parts. Activations are then not quantised.
_UNPACKED = {"compressed-tensors", "fp8", "mxfp4", "mxfp8"}
_PLAIN = ", unpacked"
_EXTRAS = {
    "bitsandbytes": "quantized",
    "compressed-tensors": "quantized",
    "optimum-quanto": "quantized",
    "torchao": "quantized",
    "gptqmodel": "gptq",
    "optimum": "gptq",
    "peft": "peft",
}


def require(packages: tuple[str, ...], purpose: str) -> None:
    """Check that optional packages are installed.

    Raises:
        UsageError: if one is not; the sentence begins with `purpose` and names the extra.
    """
    missing = [package for package in packages if not _installed(package)]
    if missing:
        extra = _EXTRAS.get(missing[0])
        what = f"'cortexscope[{extra}]'" if extra else " ".join(missing)
        names = " and ".join(missing)
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{purpose} needs {names}, which {verb} not installed: pip install {what}")


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def check_quantization(name: str) -> None:
    """Check that weights can be quantised this way here.

    Raises:
        UsageError: if there is no such way, or its package is not installed.
    """
    if name not in QUANTIZATIONS:
        raise UnknownNameError(
            f"There is no quantisation {name!r}; {suggestion(name, QUANTIZATIONS)}"
        )
    require((QUANTIZATIONS[name].package,), f"The quantisation {name}")


def linear_bits(name: str | None) -> int | None:
    """Return the bits of a weight of a linear layer, None where it stays whole."""
    return None if name is None else QUANTIZATIONS[name].bits


def quantization_config(name: str, dtype: torch.dtype) -> QuantizationConfigMixin:
    """Return what tells transformers to quantise this way; products are computed in `dtype`."""
    import transformers

    if name == "bnb-8bit":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    if name == "bnb-4bit":
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    if name == "torchao-int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return transformers.TorchAoConfig(Int8WeightOnlyConfig())
    return transformers.QuantoConfig(weights="int8")


def hush_backend(name: str | None) -> None:
    """Keep bitsandbytes from repeating at every 8-bit product that it computes in float16."""
    if name is not None and name.startswith("b"):
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def _stored(raw: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return how a raw configuration says that the weights are stored, and its details."""
    inner = raw.get("text_config")
    found = raw.get("quantization_config") or (
        inner.get("quantization_config") if isinstance(inner, dict) else None
    )
    if not found:
        return None
    details = found if isinstance(found, dict) else {}
    old = details.get("load_in_8bit") or details.get("load_in_4bit")
    method = "bitsandbytes" if old else details.get("quant_method")
    return str(method or "unknown method"), details


def check_stored(path: Path, raw: dict[str, Any]) -> None:
    """Check, before weights are fetched, that quantised ones can be read here.

    Raises:
        UsageError: if a package for it is not installed; the sentence names it.
        UnsupportedModelError: if it cannot be read here for another reason.
    """
    groups = raw.get("quantization")
    if isinstance(groups, dict) and {"bits", "group_size"} <= groups.keys():
        raise UnsupportedModelError(
            f"{path} says that the weights are stored quantised as MLX does it, which cannot be "
            "read here; give the model that was converted to MLX."
        )
    stored = _stored(raw)
    if stored is None:
        return
    method, details = stored
    if method not in _STORED:
        raise UnsupportedModelError(
            f"{path} says that the weights are stored quantised ({method}), which cannot be read "
            "here; give the model's unquantised weights or a .gguf file."
        )
    require(_STORED[method], f"{path} says that the weights are stored quantised ({method}), which")
    if method in _UNPACKED:
        return
    from transformers.quantizers.auto import AutoHfQuantizer

    try:
        with quiet():
            AutoHfQuantizer.from_config(dict(details), pre_quantized=True).validate_environment(
                device_map=None, weights_only=True
            )
    except Exception as error:
        raise UnsupportedModelError(
            f"The weights that {path} says are stored quantised ({method}) cannot be used here: "
            f"{reason(error)}; give the model's unquantised weights."
        ) from error


def stored_method(config: PreTrainedConfig) -> str | None:
    """Return how a checkpoint's weights are stored, such as `gptq-4bit`; None if plainly."""
    stored = _stored(_raw(config))
    if stored is None:
        return None
    method, details = stored
    if method in _UNPACKED:
        return f"{method}{_PLAIN}"
    bits = details.get("bits") or (8 if details.get("load_in_8bit") else None)
    bits = 4 if details.get("load_in_4bit") else bits
    return f"{method}-{bits}bit" if isinstance(bits, int) else method


def keeps_dtype(method: str | None, dtype: torch.dtype) -> bool:
    """Return whether weights that are stored this way cannot be loaded in a dtype of choice.

    Packed ones stay as they are, and so does what lies beside them; unpacked ones can be widened.
    """
    if method is None:
        return False
    return not (method.endswith(_PLAIN) and dtype in (torch.float32, torch.float64))


def without_kernels(config: PreTrainedConfig) -> bool:
    """Have weights unpacked where kernels would be fetched, and return whether they will be."""
    stored = _stored(_raw(config))
    if stored is None or stored[0] not in _UNPACKED:
        return False
    stored[1]["dequantize"] = True
    return True


def _raw(config: PreTrainedConfig) -> dict[str, Any]:
    inner = config.get_text_config()
    own, text = (getattr(part, "quantization_config", None) for part in (config, inner))
    return {"quantization_config": own or text}
