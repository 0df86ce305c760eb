"""`cortexscope stats`: what a run's numbers say, with intervals, tests and length control."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._terminal import display, remark, say
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

__all__ = ["stats"]


def stats(
    run: Annotated[Path, typer.Argument(help="The folder that `cortexscope run --out` wrote.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this metric or group, looked at closely: pairs of tasks and models, mixed "
            "models, depth, heads. All metrics, and a few closely, by default. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the tables go; RUN/stats by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    resamples: Annotated[int, typer.Option(min=100, help="How many an interval takes.")] = 2000,
    permutations: Annotated[int, typer.Option(min=100, help="How many a p-value takes.")] = 2000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Do the statistics of a run: intervals, effects raw and length-adjusted, probes, power.

    Reads only the run's folder, and writes a CSV file a table with stats.json, which says what each
    holds.
    """
    from cortexscope.analysis import Analysis, Settings, settings_of
    from cortexscope.cli._progress import progress_for
    from cortexscope.store import Run

    opened = Run(run) if quiet else remark(Run(run))
    before = settings_of(opened)
    found = Analysis(
        opened,
        metrics=metric,
        settings=Settings(seed, resamples, permutations),
        folder=out,
        note=progress_for(quiet=quiet).note,
    )
    why = found.missing("values")
    if why is not None:
        raise UsageError(f"{run} has no statistics: {why}; let a run measure some.")
    found.write()
    if quiet:
        return
    display(_effects(found.table("effects"), found.focus), elsewhere=120)
    for sentence in found.sentences():
        say(sentence)
    say(f"\nStatistics: {found.folder}")
    if settings_of(opened) != before and (run / "report.html").exists():
        say(
            f"The report is of {before}; `cortexscope report {run}` makes it anew with "
            f"{found.settings}."
        )


def _effects(effects: pd.DataFrame, focus: tuple[str, ...]) -> Table:
    """Return the effect of the task on the metrics in focus, its forms side by side."""
    import numpy as np
    from rich.table import Table

    from cortexscope.document import UNDEFINED

    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title="What the task explains of all variance (omega squared; partial: of what length "
        "leaves), and p by permutation",
        title_justify="left",
    )
    table.add_column("metric", no_wrap=True)
    table.add_column("model", no_wrap=True)
    forms = ("raw", "adjusted", "matched")
    for form in forms:
        table.add_column(form, justify="right")
        if form == "adjusted":
            table.add_column("partial", justify="right")
        table.add_column("p", justify="right")
    own = effects[(effects["factor"] == "task") & effects["metric"].isin(focus)]
    for (name, scope), rows in own.groupby(["metric", "scope"], sort=False):
        cells = rows.set_index("form")
        numbers = [
            cells[column].get(form, np.nan)
            for form in forms
            for column in ("omega_squared", "omega_squared_partial", "p")
            if form == "adjusted" or column != "omega_squared_partial"
        ]
        shown = [UNDEFINED if np.isnan(value) else f"{value:.4f}" for value in numbers]
        table.add_row(str(name), str(scope), *shown)
    return table
