"""Options in groups: how a model is loaded, which several verbs share, and how it generates."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cortexscope.errors import UsageError
from cortexscope.models import LoadOptions
from cortexscope.tasks.sources import FORMATS, QUOTING, ReadOptions

__all__ = [
    "Generate",
    "Sample",
    "SampleSeed",
    "Temperature",
    "TopP",
    "Verb",
    "loading_options",
    "option_group",
    "reading_options",
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

_PANEL = "Files of prompts"


def _read(kind: Any, help: str, *names: str, metavar: str | None = None) -> Any:  # noqa: ANN401
    """Return the annotation of an option; `names` are given where a flag has no opposite."""
    option = typer.Option(*names, help=help, metavar=metavar, rich_help_panel=_PANEL)
    return Annotated[kind, option]


_READING = {
    "columns": _read(
        str | None,
        "Which column is what: 'text=question,task=Category,id=n,target=answer'; any further name "
        "is a column that the prompts keep. Known data sets are recognised without.",
        metavar="NAME=COLUMN,...",
    ),
    "template": _read(
        str | None,
        "The text, columns in braces: 'Q: {question}\\nA:'; nested keys by dots, lists as "
        "{choices:letters}; @FILE reads it from a file.",
        metavar="TEXT|@FILE",
    ),
    "format": _read(
        str | None,
        f"Of the files, where their endings do not tell: {', '.join(FORMATS)}.",
        metavar="NAME",
    ),
    "encoding": _read(str | None, "Of text files; UTF-8 by default.", metavar="NAME"),
    "delimiter": _read(
        str | None, "Between the fields of a CSV file; found out by default.", metavar="MARK|tab"
    ),
    "quoting": _read(
        str | None, f"How a CSV file writes quotes: {', '.join(QUOTING)}.", metavar="WAY"
    ),
    "no_header": _read(
        bool, "The first row is a prompt; the columns are named 1, 2, ...", "--no-header"
    ),
    "sheet": _read(str | None, "Of a workbook with several.", metavar="NAME"),
    "paragraphs": _read(bool, "Blank lines part the prompts of a text file.", "--paragraphs"),
    "limit": _read(int | None, "The most prompts in all, drawn by --limit-seed.", metavar="N"),
    "per_task": _read(int | None, "The most prompts a task, drawn likewise.", metavar="N"),
    "limit_seed": _read(int, "Of which prompts are drawn."),
    "skip_bad_rows": _read(
        bool,
        "Leave out rows that give no prompt, and count them.",
        "--skip-bad-rows",
    ),
}
"""The command line's option for each field of `ReadOptions`."""

Verb = Callable[..., None]


def loading_options(*names: str) -> Callable[[Verb], Verb]:
    """Return what gives a verb options for its parameter `loading`, how a model is loaded.

    Args:
        names: of the fields of `LoadOptions` that it takes; all where none is named.
    """
    chosen = names or tuple(_LOADING)
    options = {name: _LOADING[name] for name in chosen}
    return option_group("loading", LoadOptions, options, _defaults_of(LoadOptions))


def reading_options() -> Callable[[Verb], Verb]:
    """Return what gives a verb options for its parameter `reading`, how files become prompts."""

    def made(**given: Any) -> ReadOptions:  # noqa: ANN401 - what the command line holds
        given["header"] = not given.pop("no_header")
        given["template"] = _template(given["template"])
        return ReadOptions(**given)

    return option_group("reading", made, _READING, _defaults_of(ReadOptions) | {"no_header": False})


def _defaults_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    return {field.name: field.default for field in dataclasses.fields(kind)}


def option_group(
    parameter: str,
    make: Callable[..., Any],
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Callable[[Verb], Verb]:
    """Return what puts several options in place of one parameter that holds what is made of them.

    Args:
        parameter: of the verb.
        make: of the options' values by name, a dataclass or a function.
        options: their annotations.
        defaults: of them.
    """

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def wrapped(**given: Any) -> None:  # noqa: ANN401 - what the command line holds
            value = make(**{name: given.pop(name) for name in options})
            verb(**{parameter: value}, **given)

        signature = inspect.signature(verb, eval_str=True)
        rows: list[inspect.Parameter] = []
        for name, found in signature.parameters.items():
            if name != parameter:
                rows.append(found.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            rows += [
                inspect.Parameter(
                    option,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=defaults[option],
                    annotation=annotation,
                )
                for option, annotation in options.items()
            ]
        wrapped.__signature__ = signature.replace(parameters=rows)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {row.name: row.annotation for row in rows}
        return wrapped

    return decorate


def _template(given: str | None) -> str | None:
    r"""Return a template as it is meant: `@FILE` what is in it, else `\n` a line end."""
    if given is None:
        return None
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UsageError(
                f"The template {given[1:]} cannot be read ({why}); check the path behind the @."
            ) from error
    plain = {"n": "\n", "t": "\t", "\\": "\\"}
    return re.sub(r"\\([nt\\])", lambda found: plain[found[1]], given)


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
