"""Write a run's tables, figures and report into its folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from cortexscope.document import (
    Document,
    Fact,
    Facts,
    Figure,
    Prose,
    Section,
    Span,
    Table,
    Width,
    render,
    save,
)
from cortexscope.files import whole_file
from cortexscope.records import Manifest
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._shown import Shown
from cortexscope.report.figures import Options, figures_of
from cortexscope.report.figures._options import PublishedModel
from cortexscope.report.sections import SECTIONS
from cortexscope.report.tables import tables_of
from cortexscope.store import Run

__all__ = [
    "FigureFormat",
    "TableFormat",
    "Written",
    "build_figures",
    "build_report",
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


def build_tables(run: Run, *, only: Collection[int | str] | None = None) -> tuple[Table, ...]:
    """Return the tables of a run, finished or not, as data.

    Args:
        run: the run folder.
        only: those with these keys, of `TABLES`, or numbers; all where None. No other is made, and
            nothing is read that they do not show.

    Raises:
        UnknownNameError: if there is no such table.
        CorruptRunError: if a file of the run is missing or damaged.
    """
    return tables_of(RunFrames(run), Labels(run.manifest.metrics), only)


def build_figures(
    run: Run,
    *,
    only: Collection[str] | None = None,
    metrics: Collection[str] = (),
    tasks: Collection[str] = (),
    prompt: str = "",
    published: Collection[PublishedModel] = (),
) -> tuple[Figure, ...]:
    """Return the figures of a run, finished or not, as data; one with nothing to draw is empty.

    Where something is chosen and `only` is None, all figures that can show it are made. Statistics
    that take a while are drawn where they are kept, or where their figure is named.

    Args:
        run: the run folder.
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
    return figures_of(RunFrames(run), Labels(run.manifest.metrics), only, options)


def build_report(run: Run, *, texts: bool = True) -> Document:
    """Return the report of a run, finished or not, as data.

    Args:
        run: the run folder.
        texts: whether the prompts' texts are shown.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    return _report(Shown(run, texts=texts))


def tables_as(tables: Sequence[Table], form: str) -> str:
    """Return tables alone in a format of text, such as text or csv, one after the other.

    Raises:
        UnknownNameError: if there is no such format.
    """
    return str(render(Document("", (Section("tables", "", tuple(tables)),)), form))


def write_tables(
    run: Run, *, formats: Sequence[TableFormat] = ("text", "csv", "xlsx")
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
    only: Collection[str] | None = None,
    metrics: Collection[str] = (),
    tasks: Collection[str] = (),
    prompt: str = "",
    published: Collection[PublishedModel] = (),
    width: Width | None = None,
) -> tuple[Path, ...]:
    """Write `figures/` of a run, a file a figure and format; return the paths.

    A figure with nothing to draw has no file. One of metrics, tasks or a prompt of choice is
    called after them, and replaces no other.

    Args:
        run: the run folder.
        formats: which of them.
        only: as for `build_figures`, like the following.
        metrics: what is drawn in the place of a figure's own metrics.
        tasks: only these.
        prompt: the one that is drawn.
        published: the study's models.
        width: one column of a journal, 85 mm, or two, 178 mm; as the content has it where None.

    Raises:
        UnknownNameError: if there is no such figure, metric, task or prompt.
        UsageError: if a figure that is named is not made for what is chosen.
        StoreError: if the run cannot be read or a file cannot be written.
    """
    figures = build_figures(
        run, only=only, metrics=metrics, tasks=tasks, prompt=prompt, published=published
    )
    return _figures(run, figures, formats, width)


def write_html(run: Run, *, texts: bool = True) -> Path:
    """Write `report.html` of a run, one file that needs no other; return its path.

    Args:
        run: the run folder.
        texts: whether the prompts' texts are shown.

    Raises:
        StoreError: if the run cannot be read or the file cannot be written.
    """
    return _html(Shown(run, texts=texts))


def write_report(run: Run, *, texts: bool = True) -> Written:
    """Write everything that is made of a run: `tables/`, `figures/` and `report.html`.

    A run that is not finished, or lacks metrics, is reported as far as it goes, and the report
    says what is missing. Files appear whole or not at all, and replace those of before.

    Args:
        run: the run folder.
        texts: whether the report shows the prompts' texts.

    Raises:
        StoreError: if the run cannot be read or a file cannot be written.
    """
    shown = Shown(run, texts=texts)
    return Written(
        tables=_tables(run, shown.tables, ("text", "csv", "xlsx")),
        figures=_figures(run, shown.figures, ("png", "svg")),
        report=_html(shown),
    )


def _tables(run: Run, tables: Sequence[Table], formats: Sequence[TableFormat]) -> tuple[Path, ...]:
    document, folder = _of_tables(run.manifest, tables), run.path / "tables"
    paths = []
    if "text" in formats:
        paths.append(folder / "tables.txt")
        _file(paths[-1], render(document, "text"))
    if "csv" in formats:
        for table in tables:
            paths.append(folder / f"{table.name}.csv")
            _file(paths[-1], tables_as([table], "csv"))
    if "xlsx" in formats:
        paths.append(folder / "tables.xlsx")
        _file(paths[-1], render(document, "xlsx"))
    return tuple(paths)


def _of_tables(manifest: Manifest, tables: Sequence[Table]) -> Document:
    unfinished = "" if manifest.status == "complete" else " (not finished)"
    facts = (
        Fact("Measured", f"{manifest.finished or manifest.created}{unfinished}"),
        Fact("Suite", f"{manifest.suite.name} {manifest.suite.version}"),
        Fact("Total Models", str(len(manifest.models))),
        Fact("Total Categories", str(len(manifest.suite.tasks))),
    )
    return Document(
        "cortexscope - results tables",
        (Section("tables", "", tuple(tables)),),
        lead=(Facts(facts),),
        title="cortexscope tables",
        made=datetime.fromisoformat(manifest.finished or manifest.created),
    )


def _figures(
    run: Run,
    figures: Sequence[Figure],
    formats: Sequence[FigureFormat],
    width: Width | None = None,
) -> tuple[Path, ...]:
    paths = []
    for figure in figures:
        if figure.panels:
            own = [run.path / "figures" / f"{figure.key}.{form}" for form in formats]
            save(figure, own, width=width)
            paths += own
    return tuple(paths)


def _html(shown: Shown) -> Path:
    path = shown.run.path / "report.html"
    _file(path, render(_report(shown), "html"))
    return path


def _report(shown: Shown) -> Document:
    manifest = shown.manifest
    models, tasks = len(manifest.models), len(manifest.suite.tasks)
    of_models = f"{models} language model{'s' * (models != 1)}"
    of_tasks = f"{tasks} task{'s' * (tasks != 1)}"
    version = manifest.suite.version
    made = (manifest.finished or manifest.created)[:16].replace("T", " ")
    named = "" if version == "unversioned" else "version "
    glance = (
        Fact("Models", str(models)),
        Fact("Tasks", str(tasks)),
        Fact("Prompts", str(len(shown.frames.prompts))),
        Fact("Suite", (f"{manifest.suite.name} ", Span(f"{named}{version}", "small"))),
        Fact("Measured", (f"{made} ", Span("UTC", "small"))),
    )
    return Document(
        heading=f"What happens inside {of_models} over {of_tasks}",
        sections=tuple(SECTIONS.load(key)(shown) for key in SECTIONS.names()),
        lead=(*_unfinished(shown), Facts(glance, "glance")),
        title=f"cortexscope: {manifest.suite.name}, {models} model{'s' * (models != 1)}",
        brand=f"cortexscope {manifest.versions.get('cortexscope', '')}".rstrip(),
    )


def _unfinished(shown: Shown) -> tuple[Prose, ...]:
    if shown.manifest.status == "complete":
        return ()
    planned = sum(shown.manifest.shards.values())
    read = int(shown.frames.cells([])["inputs"].sum())
    asked = len(shown.frames.labels) * len(shown.frames.prompts)
    text = (
        f" {read} of {asked} prompts read, over all models, in {planned} planned shards. "
        "Everything below covers what has been read so far."
    )
    return (Prose(((Span("This run is not finished:", "strong"), text),), "warning"),)


def _file(path: Path, content: str | bytes) -> None:
    with whole_file(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
