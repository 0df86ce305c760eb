"""Options in groups: how a model is loaded, which several verbs share, and how it generates."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "AllowPickle",
    "Attention",
    "Device",
    "DeviceMap",
    "Dtype",
    "Generate",
    "Quantize",
    "Sample",
    "SampleSeed",
    "Temperature",
    "Tokenizer",
    "TopP",
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
Attention = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How attention is computed: sdpa or eager; what the model asks for, as far as it is "
        "one of these, by default.",
    ),
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Read pickle weights, which can run any code.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code of the model's repository.")
]
Generate = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Let each model go on after each prompt by up to N tokens, the likeliest at each "
        "place, and measure each token that it then reads.",
    ),
]
Sample = Annotated[
    bool,
    typer.Option("--sample", help="Draw the tokens of --generate from the model's distribution."),
]
Temperature = Annotated[
    float | None,
    typer.Option(help="With --sample: what the logits are divided by; 1 by default."),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        help="With --sample: draw from the fewest tokens whose probabilities sum up to this; 1 by "
        "default.",
    ),
]
SampleSeed = Annotated[
    int | None,
    typer.Option("--seed", help="With --sample: of what is drawn; 0 by default."),
]
