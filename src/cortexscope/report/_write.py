"""Write a run's tables, figures and report into its folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from cortexscope.files import as_csv
from cortexscope.report._figure import Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._table import Table
from cortexscope.report.figures import figures_of
from cortexscope.report.tables import tables_of
from cortexscope.store import Run, write_text

__all__ = [
    "FigureFormat",
    "TableFormat",
    "Written",
    "build_figures",
    "build_tables",
    "tables_as",
    "write_figures",
    "write_html",
    "write_report",
    "write_tables",
]

FigureFormat = Literal["png", "svg", "pdf"]
"""What figures can be written as."""

TableFormat = Literal["text", "csv", "xlsx"]
"""What tables can be written as."""


class Written(NamedTuple):
    """The files of a report."""

    report: Path
    """`report.html`."""
    tables: tuple[Path, ...]
    """The text of all tables, a CSV file a table, and the spreadsheet."""
    figures: tuple[Path, ...]
    """A file a figure and format."""


def build_tables(run: Run, *, only: Collection[str] | None = None) -> tuple[Table, ...]:
    """Return the tables of a run, finished or not, as data.

    Args:
        run: the run folder.
        only: those with these keys, of `TABLES`; all where None. No other is made.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    return tables_of(RunFrames(run), Labels(run.manifest.metrics), only)


def build_figures(run: Run, *, only: Collection[str] | None = None) -> tuple[Figure, ...]:
    """Return the figures of a run, finished or not, as data; one with nothing to draw is empty.

    Args:
        run: the run folder.
        only: those with these keys, all where None. No other is made, but those of groups together.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    return figures_of(RunFrames(run), Labels(run.manifest.metrics), only)


def tables_as(tables: Sequence[Table], form: Literal["text", "csv"]) -> str:
    """Return tables as text in the study's layout, or as CSV, one after the other."""
    from cortexscope.report._text import as_text

    as_form = as_text if form == "text" else _csv
    return "\n".join(map(as_form, tables))


def _csv(table: Table) -> str:
    return as_csv(table.flat().frame)


def write_tables(
    run: Run,
    *,
    formats: Sequence[TableFormat] = ("text", "csv", "xlsx"),
) -> tuple[Path, ...]:
    """Write `tables/` of a run: tables.txt, a CSV file a table, tables.xlsx; return the paths.

    Args:
        run: the run folder.
        formats: which of them.

    Raises:
        StoreError: if the run cannot be read or a file cannot be written.
    """
    return _tables(run, build_tables(run), formats)


def write_figures(
    run: Run,
    *,
    formats: Sequence[FigureFormat] = ("png", "svg"),
) -> tuple[Path, ...]:
    """Write `figures/` of a run, a file a figure and format; return the paths.

    A figure with nothing to draw has no file.

    Raises:
        StoreError: if the run cannot be read or a file cannot be written.
    """
    return _figures(run, build_figures(run), formats)


def write_html(run: Run) -> Path:
    """Write `report.html` of a run, one file that needs no other; return its path.

    Raises:
        StoreError: if the run cannot be read or the file cannot be written.
    """
    labels, frames = Labels(run.manifest.metrics), RunFrames(run)
    return _html(run, frames, labels, tables_of(frames, labels), figures_of(frames, labels))


def write_report(run: Run) -> Written:
    """Write everything that is made of a run: `tables/`, `figures/` and `report.html`.

    A run that is not finished, or lacks metrics, is reported as far as it goes, and the report
    says what is missing. Files appear whole or not at all, and replace those of before.

    Args:
        run: the run folder.

    Raises:
        StoreError: if the run cannot be read or a file cannot be written.
    """
    labels, frames = Labels(run.manifest.metrics), RunFrames(run)
    tables, figures = tables_of(frames, labels), figures_of(frames, labels)
    return Written(
        tables=_tables(run, tables, ("text", "csv", "xlsx")),
        figures=_figures(run, figures, ("png", "svg")),
        report=_html(run, frames, labels, tables, figures),
    )


def _tables(run: Run, tables: Sequence[Table], formats: Sequence[TableFormat]) -> tuple[Path, ...]:
    from cortexscope.report._sheets import save_xlsx
    from cortexscope.report._text import all_as_text

    folder = run.path / "tables"
    paths = []
    if "text" in formats:
        paths.append(folder / "tables.txt")
        write_text(paths[-1], all_as_text(tables, run.manifest))
    if "csv" in formats:
        for table in tables:
            paths.append(folder / f"{table.name}.csv")
            write_text(paths[-1], _csv(table))
    if "xlsx" in formats:
        paths.append(folder / "tables.xlsx")
        save_xlsx(tables, run.manifest, paths[-1])
    return tuple(paths)


def _figures(
    run: Run, figures: Sequence[Figure], formats: Sequence[FigureFormat]
) -> tuple[Path, ...]:
    from cortexscope.report._matplotlib import save

    paths = []
    for figure in figures:
        if figure.panels:
            own = [run.path / "figures" / f"{figure.key}.{form}" for form in formats]
            save(figure, own)
            paths += own
    return tuple(paths)


def _html(
    run: Run,
    frames: RunFrames,
    labels: Labels,
    tables: Sequence[Table],
    figures: Sequence[Figure],
) -> Path:
    from cortexscope.report._html import as_html

    path = run.path / "report.html"
    write_text(path, as_html(frames, labels, tables, figures))
    return path
