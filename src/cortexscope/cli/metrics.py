"""`cortexscope metrics`: list the metrics, show what one is, and check one of your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._terminal import UNCUT, console, say

if TYPE_CHECKING:
    from cortexscope.metrics import Metric, MetricSpec

__all__ = ["app"]

app = typer.Typer(
    name="metrics", help="List the metrics, and show what one is.", no_args_is_help=True
)

Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Also the metrics of this Python file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_metrics(
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this group, such as attention.")
    ] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the metrics by group: their unit, what they have a value for, and what they cost."""
    from cortexscope.errors import UnknownNameError
    from cortexscope.metrics import ALL, metric_specs
    from cortexscope.registry import suggestion

    _load(plugin)
    specs = metric_specs([ALL])
    if group is not None:
        groups = {spec.group for spec in specs}
        if group not in groups:
            raise UnknownNameError(
                f"There is no group of metrics {group!r}; {suggestion(group, groups)}"
            )
        specs = [spec for spec in specs if spec.group == group]
    _print_list(specs, as_json=as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A metric's name, or a group's.")],
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Print what a metric is: definition, unit, bounds, source, cost; of a group, its list."""
    import json

    from cortexscope.metrics import METRICS, metric_specs
    from cortexscope.metrics.base.words import description

    _load(plugin)
    specs = metric_specs([name])
    if name not in METRICS.names():
        _print_list(specs, as_json=as_json)
        return
    metric = METRICS.load(name)
    if as_json:
        say(json.dumps(description(metric), indent=2))
        return
    _print_one(metric)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file with metrics.")],
) -> None:
    """Check that metrics of your own keep the contract, and say what to do where they do not."""
    from cortexscope.errors import UsageError
    from cortexscope.metrics import MetricOptions, load_plugin, make_metrics
    from cortexscope.testing import check_metric

    for metric in make_metrics(load_plugin(file), MetricOptions()):
        try:
            check_metric(metric)
        except AssertionError as error:
            raise UsageError(f"{file}: {error}.") from error
        say(f"{metric.spec.name} keeps the contract of a metric.")


def _load(plugins: Sequence[Path] | None) -> None:
    from cortexscope.metrics import load_plugin

    for path in plugins or ():
        load_plugin(path)


def _print_list(specs: Sequence[MetricSpec], *, as_json: bool) -> None:
    import json

    from rich.table import Table
    from rich.text import Text

    from cortexscope.metrics import METRICS
    from cortexscope.metrics.base.words import GROUP_TEXTS, description, each

    if as_json:
        metrics = {spec.name: description(METRICS.load(spec.name)) for spec in specs}
        say(json.dumps(metrics, indent=2))
        return
    terminal = console(elsewhere=UNCUT)
    widths = _widths(specs, terminal.width)
    headings = zip(("metric", "unit", "a value for each"), widths, strict=True)
    line = "".join(f"{heading[:width]:{width + 2}}" for heading, width in headings)
    terminal.print(Text(f"{line}cost\n", style="italic"))
    for group in dict.fromkeys(spec.group for spec in specs):
        about = f": {GROUP_TEXTS[group]}" if group in GROUP_TEXTS else ""
        terminal.print(Text(group, style="bold").append(about, style="not bold"))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for width in widths:
            table.add_column(width=width, overflow="fold")
        table.add_column(no_wrap=True)
        for spec in specs:
            if spec.group == group:
                table.add_row(*map(Text, (spec.name, spec.unit, each(spec), spec.cost)))
        terminal.print(table)
        terminal.print()
    low = sum(spec.cost == "low" for spec in specs)
    terminal.print(
        f"{len(specs)} metrics. The {low} of low cost are measured by default; `run --metric NAME` "
        "takes metrics, groups, default and all."
    )


def _widths(specs: Sequence[MetricSpec], width: int) -> tuple[int, int, int]:
    """Return how wide names, units and axes are, so that a line fits.

    Names stay in one piece for as long as they take no more than half, since they are copied.
    """
    from cortexscope.metrics.base.words import each

    name = min(max(len(spec.name) for spec in specs), width // 2)
    unit = max(len(spec.unit) for spec in specs)
    axes = max(len(each(spec)) for spec in specs)
    left = max(2, width - name - len("high") - 3 * 2)
    if unit + axes <= left:
        return name, unit, axes
    return name, left * 2 // 5, left - left * 2 // 5


def _print_one(metric: type[Metric]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cortexscope.metrics import METRICS
    from cortexscope.metrics.base.words import bounds, cost, each, explanation, needs, unit

    spec = metric.spec
    terminal = console(elsewhere=UNCUT)
    terminal.print(Text(spec.name, style="bold").append(f": {spec.title}", style="not bold"))
    terminal.print(Text(f"\n{explanation(metric)}\n"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "definition": spec.definition,
        "unit": unit(spec),
        "bounds": bounds(spec),
        "scale": spec.scale,
        "a value for each": each(spec),
        "needs": needs(spec),
        "group": spec.group,
        "cost": cost(spec),
        "source": spec.source,
        "version": str(spec.version),
    }
    origin = METRICS.origin(spec.name)
    if origin is not None:
        rows["code"] = origin
    for name, text in rows.items():
        table.add_row(Text(name), Text(text))
    terminal.print(table)
