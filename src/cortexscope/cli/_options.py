"""Options in groups: how a model is loaded, which several verbs share, and how it generates."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cortexscope.models import LoadOptions

__all__ = [
    "Generate",
    "Sample",
    "SampleSeed",
    "Temperature",
    "TopP",
    "loading_options",
]

_Dtype = Annotated[
    str,
    typer.Option(
        help="Of the weights: float32, bfloat16, float16, float64 (or fp32, bf16, fp16, fp64), "
        "or auto."
    ),
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
_DeviceMap = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|JSON",
        help="Spread each model over devices, memory and disk: auto, balanced, sequential, "
        "or the device of each part by module path.",
    ),
]
_Quantize = Annotated[
    str | None,
    typer.Option(
        metavar="WAY",
        help="Quantise linear layers: bnb-8bit, bnb-4bit (bitsandbytes), torchao-int8 or "
        "quanto-int8.",
    ),
]
_Tokenizer = Annotated[
    str | None,
    typer.Option(metavar="REF", help="Take this model's tokenizer in place of each one's own."),
]
_Attention = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How attention is computed: sdpa or eager; what the model asks for, as far as it is "
        "one of these, by default.",
    ),
]
_AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Read pickle weights, which can run any code.")
]
_TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code of the model's repository.")
]
_LOADING = {
    "dtype": _Dtype,
    "device": _Device,
    "device_map": _DeviceMap,
    "quantize": _Quantize,
    "tokenizer": _Tokenizer,
    "attention": _Attention,
    "allow_pickle": _AllowPickle,
    "trust_remote_code": _TrustRemoteCode,
}
"""The command line's option for each field of `LoadOptions`."""


def loading_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a verb options for its parameter `loading`, how a model is loaded.

    Args:
        names: of the fields of `LoadOptions` that it takes; all where none is named.
    """
    chosen = names or tuple(_LOADING)

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def wrapped(**given: Any) -> None:  # noqa: ANN401 - what the command line holds
            loading = LoadOptions(**{name: given.pop(name) for name in chosen})
            verb(loading=loading, **given)

        fields = LoadOptions.__dataclass_fields__
        signature = inspect.signature(verb, eval_str=True)
        rows: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            if name != "loading":
                rows.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            rows += [
                inspect.Parameter(
                    option,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=fields[option].default,
                    annotation=_LOADING[option],
                )
                for option in chosen
            ]
        wrapped.__signature__ = signature.replace(parameters=rows)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {row.name: row.annotation for row in rows}
        return wrapped

    return decorate


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
