"""Options that several verbs share: how a model is loaded."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "AllowPickle",
    "Device",
    "DeviceMap",
    "Dtype",
    "Quantize",
    "Tokenizer",
    "TrustRemoteCode",
]

Dtype = Annotated[
    str,
    typer.Option(
        help="Of the weights: float32, bfloat16, float16, float64 (or fp32, bf16, fp16, fp64), "
        "or auto."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
DeviceMap = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|JSON",
        help="Spread each model over devices, memory and disk: auto, balanced, sequential, "
        "or the device of each part by module path.",
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        metavar="WAY",
        help="Quantise linear layers: bnb-8bit, bnb-4bit (bitsandbytes), torchao-int8 or "
        "quanto-int8.",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(metavar="REF", help="Take this model's tokenizer in place of each one's own."),
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Read pickle weights, which can run any code.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code of the model's repository.")
]
