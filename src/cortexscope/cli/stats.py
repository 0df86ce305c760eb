"""`cortexscope stats`: what a run's numbers say, with intervals, tests and length control."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortexscope.cli._runs import RunPaths
from cortexscope.cli._terminal import display, remark, say
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from cortexscope.analysis import Analysis

__all__ = ["stats"]


def stats(
    runs: RunPaths,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this metric or group, looked at closely: pairs of tasks and models, mixed "
            "models, depth, heads. All metrics, and a few closely, by default. May be repeated.",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Ask of a column of your prompts what is asked of tasks: its groups, or what goes "
            "with its number; COLUMN:label and COLUMN:number settle which.",
        ),
    ] = "task",
    within: Annotated[
        str | None,
        typer.Option(metavar="task", help="Compare the groups of a column inside of tasks alone."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the tables go; RUN/stats by default, and a folder in it for a column. Of "
            "several runs it has to be named.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, help="How many an interval takes.")] = 2000,
    permutations: Annotated[int, typer.Option(min=100, help="How many a p-value takes.")] = 2000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Do the statistics of runs: intervals, effects raw and length-adjusted, probes, power.

    Reads only their folders, and writes a CSV file a table with stats.json, which says what each
    holds.
    """
    from cortexscope.analysis import Analysis, Settings, settings_of
    from cortexscope.cli._progress import progress_for
    from cortexscope.store import Measurements, Run

    opened = [Run(run) if quiet else remark(Run(run)) for run in runs]
    if len(opened) > 1 and out is None:
        raise UsageError(
            f"{len(opened)} runs have no folder for their tables together; name one with --out."
        )
    before = settings_of(opened[0])
    found = Analysis(
        Measurements.of(*opened),
        metrics=metric,
        by=by,
        within=within,
        settings=Settings(seed, resamples, permutations),
        folder=out,
        note=progress_for(quiet=quiet).note,
    )
    why = found.missing("values")
    if why is not None:
        need = "let a run measure some" if found.groups.column is None else "name another column"
        raise UsageError(f"{found.measured} has no statistics: {why}; {need}.")
    found.write()
    if quiet:
        return
    if found.groups.kind == "number":
        display(_slopes(found.table("slopes"), found), elsewhere=120)
    else:
        display(_effects(found.table("effects"), found), elsewhere=120)
    for sentence in found.sentences():
        say(sentence)
    say(f"\nStatistics: {found.folder}")
    if (
        found.groups.column is None
        and settings_of(opened[0]) != before
        and (runs[0] / "report.html").exists()
    ):
        say(
            f"The report is of {before}; `cortexscope report {runs[0]}` makes it anew with "
            f"{found.settings}."
        )


def _effects(effects: pd.DataFrame, of: Analysis) -> Table:
    """Return the effect of the task or group on the metrics in focus, its forms side by side."""
    table = _table(
        f"What {of.groups.name} explains of all variance{_inside(of)} (omega squared; partial: of "
        "what length leaves), and p by permutation"
    )
    forms = ("raw", "adjusted", "matched")
    for form in forms:
        table.add_column(form, justify="right")
        if form == "adjusted":
            table.add_column("partial", justify="right")
        table.add_column("p", justify="right")
    own = effects[(effects["factor"] == "task") & effects["metric"].isin(of.focus)]
    for (name, scope), rows in own.groupby(["metric", "scope"], sort=False):
        cells = rows.set_index("form")
        shown = [
            _number(cells[column].get(form, float("nan")))
            for form in forms
            for column in ("omega_squared", "omega_squared_partial", "p")
            if form == "adjusted" or column != "omega_squared_partial"
        ]
        table.add_row(str(name), str(scope), *shown)
    return table


def _slopes(slopes: pd.DataFrame, of: Analysis) -> Table:
    """Return how the metrics in focus go with a number, its forms side by side."""
    table = _table(
        f"How metrics go with {of.groups.name}{_inside(of)}: Spearman's rho, p by permutation, and "
        "what a spline explains of all variance (curve: omega squared)"
    )
    for form in ("raw", "adjusted"):
        for column in (form, "p", "curve"):
            table.add_column(column, justify="right")
    own = slopes[slopes["metric"].isin(of.focus)]
    for (name, scope), rows in own.groupby(["metric", "scope"], sort=False):
        forms = rows.set_index("form").to_dict("index")
        cells = [
            cell
            for form in ("raw", "adjusted")
            for cell in (
                _rho(forms[form]),
                _number(forms[form]["p"]),
                _number(forms[form]["curve_omega_squared"]),
            )
        ]
        table.add_row(str(name), str(scope), *cells)
    return table


def _rho(row: Mapping[Any, Any]) -> str:
    ends = "" if row["low"] != row["low"] else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{_number(row['rho'], 2)}{ends}"


def _number(value: float, decimals: int = 4) -> str:
    from cortexscope.document import UNDEFINED

    return UNDEFINED if value != value else f"{value:.{decimals}f}"


def _inside(of: Analysis) -> str:
    return " inside tasks" if of.groups.apart else ""


def _table(title: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("metric", no_wrap=True)
    table.add_column("model", no_wrap=True)
    return table
