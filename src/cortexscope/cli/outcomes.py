"""`cortexscope outcomes`: what inside a model tells its right answers from its wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexscope.cli._runs import OwnRunPath, check_folder
from cortexscope.cli._terminal import display, remark, say
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

__all__ = ["outcomes"]

_MOST = 12


def outcomes(
    run: OwnRunPath,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Right or wrong, or a score, of each prompt: samples of lm-eval, a log of "
            "inspect_ai, or rows (CSV, JSONL and the like) with a column prompt_id. Without it, a "
            "column that the run's prompts came with.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which column holds the outcomes, where several could."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose answers they are, in a run of several models."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this metric or group. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    permutations: Annotated[int, typer.Option(min=100, help="How many a p-value takes.")] = 2000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Find what inside a model tells right answers from wrong, beyond length and surprisal.

    Keeps the outcomes in the run, for its statistics and report, and writes RUN/stats/outcomes.csv.
    """
    from dataclasses import replace

    from cortexscope.analysis import Analysis, keep_outcomes, settings_of
    from cortexscope.cli._progress import progress_for
    from cortexscope.files import as_csv, whole_file
    from cortexscope.store import Run

    check_folder(run, "`outcomes`")
    opened = Run(run) if quiet else remark(Run(run))
    said = keep_outcomes(opened, file, column=column, model=model)
    found = Analysis(
        opened,
        metrics=metric,
        settings=replace(settings_of(opened), seed=seed, permutations=permutations),
        note=progress_for(quiet=quiet).note,
    )
    table = found.table("outcomes")
    why = found.missing("outcomes")
    if why is not None:
        raise UsageError(f"{run} tells nothing of its outcomes: {why}; let a run measure some.")
    assert found.folder is not None
    file_of_table = found.folder / "outcomes.csv"
    with whole_file(file_of_table) as part:
        part.write_text(as_csv(table), encoding="utf-8")
    if quiet:
        return
    for sentence in (*found.sentences_of("outcomes"), *said):
        say(sentence)
    for label, own in table.groupby("model", sort=False):
        display(_foremost(str(label), own), elsewhere=120)
    say(f"\nAll: {file_of_table}")


def _foremost(model: str, own: pd.DataFrame) -> Table:
    """Return what tells the outcomes of all tasks best, below what needs no look inside."""
    from rich.table import Table

    from cortexscope.analysis import in_words
    from cortexscope.document import UNDEFINED

    table = Table(
        box=None, pad_edge=False, header_style="bold", title_justify="left",
        title=f"{model}, all tasks: how well answers are told apart (AUC, 0.5 by chance; pairs of "
        "one task)",
    )  # fmt: skip
    table.add_column("what", no_wrap=True)
    for name in ("AUC", "95 %", "above baselines", "p", "rho", "prompts"):
        table.add_column(name, justify="right", no_wrap=True)
    every = own[own["task"] == own["task"].iloc[0]]
    inside = every[every["baseline"].isna()].sort_values("auc", ascending=False, kind="stable")
    for frame, plain in ((every[every["baseline"].notna()], True), (inside.head(_MOST), False)):
        for row in frame.to_dict("records"):
            ends = f"[{row['low']:.3f}, {row['high']:.3f}]" if row["low"] == row["low"] else ""
            above = row["difference"]
            gain = f"{above:+.3f} [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
            table.add_row(
                str(row["baseline"]) if plain else in_words(row),
                _number(row["auc"], 3),
                ends,
                "" if above != above else gain,
                "" if plain else _number(row["p_max_t"], 4),
                "" if plain else _number(row["spearman"], 2),
                str(int(row["n"])) if row["n"] == row["n"] else UNDEFINED,
            )
    return table


def _number(value: float, decimals: int) -> str:
    from cortexscope.document import UNDEFINED

    return UNDEFINED if value != value else f"{value:.{decimals}f}"
