"""How a model is loaded: every option that a user can give, checked before there is a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cortexscope.errors import UsageError

__all__ = ["DeviceMap", "LoadOptions"]

DeviceMap = str | Mapping[str, str | int]
"""A strategy of accelerate, or the device of each part by module path; also as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded."""

    dtype: str = "float32"
    """Of the weights: float32, bfloat16, float16, float64 (in short fp32, bf16, fp16, fp64), or
    auto (as the checkpoint says). Weights that are stored quantised keep the checkpoint's."""
    device: str = "auto"
    """cpu, cuda, cuda:N, mps, or auto (cuda where there is one, else cpu)."""
    device_map: DeviceMap | None = None
    """Spreads the model over devices, memory and disk: auto, balanced, balanced_low_0, sequential,
    or the device of each part by module path."""
    quantize: str | None = None
    """Quantises linear layers: bnb-8bit, bnb-4bit, torchao-int8 or quanto-int8."""
    tokenizer: str | None = None
    """The reference of a model whose tokenizer is taken; None is the model's own."""
    allow_pickle: bool = False
    """Whether pickle weights may be read; they can run code."""
    trust_remote_code: bool = False
    """Whether code of the model's repository may run where transformers has none."""
    attention: str | None = None
    """The attention implementation, `sdpa` or `eager`; None is the model's default, sdpa where it
    has it."""

    def check(self) -> None:
        """Check all that can be known to be wrong before there is a model.

        Raises:
            UsageError: if an option is wrong, or what it needs is not here.
        """
        import torch

        from cortexscope.models._attention import VISIBLE
        from cortexscope.models._device_map import parse_device_map
        from cortexscope.models._placement import choose_device, choose_dtype
        from cortexscope.models._quantization import check_quantization

        if self.dtype != "auto":
            choose_dtype(self.dtype)
        choose_device(self.device)
        if self.device_map is not None:
            if self.device != "auto":
                raise UsageError(
                    f"The device {self.device!r} and a device map were both asked for; a map says "
                    "where each part goes, so leave the device out."
                )
            parse_device_map(self.device_map)
        if self.attention is not None and self.attention not in VISIBLE:
            raise UsageError(
                f"The attention {self.attention!r} was asked for, and only eager and sdpa can be "
                "seen into; choose one of the two."
            )
        if self.quantize is not None:
            check_quantization(self.quantize)
            if self.dtype != "auto" and choose_dtype(self.dtype) == torch.float64:
                raise UsageError(
                    f"The quantisation {self.quantize} and float64 weights were both asked for; "
                    "leave one out."
                )
