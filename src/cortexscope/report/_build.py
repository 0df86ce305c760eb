"""Make the tables, figures and report of runs as data."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cortexscope.document import Document, Figure, Section, Table, render
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._report import report_of
from cortexscope.report._shown import Shown
from cortexscope.report.figures import Options, figures_of
from cortexscope.report.figures._options import PublishedModel
from cortexscope.report.tables import tables_of
from cortexscope.store import Measurements, Run

__all__ = ["build_figures", "build_report", "build_tables", "tables_as"]


def build_tables(
    run: Run | Measurements, *, only: Collection[int | str] | None = None
) -> tuple[Table, ...]:
    """Return the tables of runs, finished or not, as data.

    Args:
        run: one, or the measurements of several.
        only: those with these keys, of `TABLES`, or numbers; all where None. No other is made, and
            nothing is read that they do not show.

    Raises:
        UnknownNameError: if there is no such table.
        CorruptRunError: if a file of the run is missing or damaged.
    """
    frames = RunFrames(run)
    if only is None:
        frames.read()
    return tables_of(frames, Labels(frames.measured.specs), only)


def build_figures(
    run: Run | Measurements,
    *,
    only: Collection[str] | None = None,
    metrics: Collection[str] = (),
    tasks: Collection[str] = (),
    prompt: str = "",
    published: Collection[PublishedModel] = (),
) -> tuple[Figure, ...]:
    """Return the figures of runs, finished or not, as data; one with nothing to draw is empty.

    Where something is chosen and `only` is None, all figures that can show it are made. Statistics
    that take a while are drawn where they are kept, or where their figure is named.

    Args:
        run: one, or the measurements of several.
        only: those with these keys, of `FIGURES` or of a group of metrics, all where None. No
            other is made.
        metrics: what is drawn in the place of a figure's own metrics.
        tasks: only these.
        prompt: the id of the prompt that is drawn, of figures that draw one.
        published: the study's models, to be drawn beside the run's.

    Raises:
        UnknownNameError: if there is no such figure, metric, task or prompt.
        UsageError: if a figure that is named is not made for what is chosen.
        CorruptRunError: if a file of the run is missing or damaged.
    """
    options = Options(tuple(metrics), tuple(tasks), prompt, tuple(published))
    frames = RunFrames(run)
    return figures_of(frames, Labels(frames.measured.specs), only, options)


def build_report(run: Run | Measurements, *, texts: bool = True) -> Document:
    """Return the report of runs, finished or not, as data.

    Args:
        run: one, or the measurements of several.
        texts: whether the prompts' texts are shown.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    return report_of(Shown(run, texts=texts))


def tables_as(tables: Sequence[Table], form: str) -> str:
    """Return tables alone in a format of text, such as text or csv, one after the other.

    Raises:
        UnknownNameError: if there is no such format.
    """
    return str(render(Document("", (Section("tables", "", tuple(tables)),)), form))
