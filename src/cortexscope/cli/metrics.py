"""`cortexscope metrics`: list the metrics, and show what one is."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(name="metrics", help="List the metrics and what they mean.", no_args_is_help=True)


@app.command("list")
def list_metrics() -> None:
    """List the metrics with their unit and what they have a value for."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cortexscope.metrics import metric_specs

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("metric", "unit", "a value for each"):
        table.add_column(heading, no_wrap=True)
    for spec in metric_specs():
        table.add_row(*map(Text, (spec.name, spec.unit, " and ".join(("prompt", *spec.axes)))))
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=10_000)
    console.print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A metric's name.")]) -> None:
    """Print a metric's definition, unit, bounds and source."""
    from cortexscope.metrics import metric_specs

    (spec,) = metric_specs([name])
    low, high = ("none" if bound is None else f"{bound:g}" for bound in spec.bounds)
    typer.echo(
        f"{spec.name}: {spec.title}\n"
        f"  definition  {spec.definition}\n"
        f"  unit        {spec.unit}\n"
        f"  bounds      lowest {low}, highest {high}\n"
        f"  each        {' and '.join(('prompt', *spec.axes))}\n"
        f"  needs       {', '.join(spec.needs)}\n"
        f"  source      {spec.source}\n"
        f"  version     {spec.version}"
    )
