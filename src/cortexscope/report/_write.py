"""Write the tables, figures and report of runs into a folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from cortexscope.document import (
    Beside,
    Document,
    Fact,
    Facts,
    Figure,
    Form,
    Section,
    Table,
    Width,
    render,
    save,
)
from cortexscope.files import whole_file
from cortexscope.report._build import build_figures, tables_as
from cortexscope.report._folder import folder_of
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._report import report_of, with_figures
from cortexscope.report._shown import Shown
from cortexscope.report.figures._options import PublishedModel
from cortexscope.report.tables import tables_of
from cortexscope.store import Measurements, Run, give_back

__all__ = [
    "FigureFormat",
    "ReportFormat",
    "TableFormat",
    "Written",
    "write_figures",
    "write_html",
    "write_report",
    "write_tables",
]

FigureFormat = Literal["png", "svg", "pdf"]
"""What figures can be written as."""

TableFormat = Literal["text", "csv", "xlsx"]
"""What tables can be written as."""


ReportFormat = Literal["html", "markdown", "text", "pdf"]
"""What a report can be written as."""

_ENDINGS: Mapping[ReportFormat, str] = {
    "html": "html", "markdown": "md", "text": "txt", "pdf": "pdf",
}  # fmt: skip


class Written(NamedTuple):
    """The files of a report."""

    reports: tuple[Path, ...]
    """Such as `report.html`, one a format."""
    tables: tuple[Path, ...]
    """The text of all tables, a CSV file a table, and the spreadsheet."""
    figures: tuple[Path, ...]
    """A file a figure and format."""

    @property
    def report(self) -> Path:
        """The first of the reports."""
        return self.reports[0]


def write_tables(
    run: Run | Measurements,
    *,
    out: Path | None = None,
    formats: Sequence[TableFormat] = ("text", "csv", "xlsx"),
) -> tuple[Path, ...]:
    """Write `tables/` of runs: tables.txt, a CSV file a table, tables.xlsx; return the paths.

    Args:
        run: one, or the measurements of several.
        out: the folder it goes to, the run's own where None.
        formats: which of them.

    Raises:
        UsageError: if there are several runs and no folder is named.
        StoreError: if the run cannot be read or a file cannot be written.
    """
    frames = RunFrames(run)
    folder = folder_of(frames.measured, out)
    frames.read()
    tables = tables_of(frames, Labels(frames.measured.specs))
    return _tables(frames, tables, formats, folder)


def write_figures(
    run: Run | Measurements,
    *,
    out: Path | None = None,
    formats: Sequence[FigureFormat] = ("png", "svg"),
    only: Collection[str] | None = None,
    metrics: Collection[str] = (),
    tasks: Collection[str] = (),
    prompt: str = "",
    published: Collection[PublishedModel] = (),
    width: Width | None = None,
) -> tuple[Path, ...]:
    """Write `figures/` of runs, a file a figure and format; return the paths.

    A figure with nothing to draw has no file. One of metrics, tasks or a prompt of choice is
    called after them, and replaces no other.

    Args:
        run: one, or the measurements of several.
        out: the folder it goes to, the run's own where None.
        formats: which of them.
        only: as for `build_figures`, like the following.
        metrics: what is drawn in the place of a figure's own metrics.
        tasks: only these.
        prompt: the one that is drawn.
        published: the study's models.
        width: one column of a journal, 85 mm, or two, 178 mm; as the content has it where None.

    Raises:
        UnknownNameError: if there is no such figure, metric, task or prompt.
        UsageError: if a figure that is named is not made for what is chosen, or there are several
            runs and no folder is named.
        StoreError: if the run cannot be read or a file cannot be written.
    """
    measured = Measurements.of(run)
    folder = folder_of(measured, out)
    figures = build_figures(
        measured, only=only, metrics=metrics, tasks=tasks, prompt=prompt, published=published
    )
    return _figures(folder, figures, formats, width)


def write_html(run: Run | Measurements, *, out: Path | None = None, texts: bool = True) -> Path:
    """Write `report.html`, one file that needs no other; return its path.

    Args:
        run: one, or the measurements of several.
        out: the folder it goes to, the run's own where None.
        texts: whether the prompts' texts are shown.

    Raises:
        UsageError: if there are several runs and no folder is named.
        StoreError: if a run cannot be read or the file cannot be written.
    """
    with Beside(("still",)) as drawing:
        shown = Shown(run, texts=texts, each=drawing.draw)
        folder = folder_of(shown.frames.measured, out)
        shown.frames.read()
        (path,) = _reports(shown, folder, ("html",), drawing)
    return path


def write_report(
    run: Run | Measurements,
    *,
    out: Path | None = None,
    texts: bool = True,
    formats: Sequence[ReportFormat] = ("html",),
) -> Written:
    """Write everything that is made of runs: `tables/`, `figures/` and the report.

    A run that is not finished, or lacks metrics, is reported as far as it goes, and the report
    says what is missing. Files appear whole or not at all, and replace those of before.

    Args:
        run: one, or the measurements of several.
        out: the folder it goes to, the run's own where None.
        texts: whether the report shows the prompts' texts.
        formats: of the report.

    Raises:
        UsageError: if there are several runs and no folder is named, or there is no browser to
            print a PDF.
        StoreError: if a run cannot be read or a file cannot be written.
    """
    with Beside(("png", "svg", "still")) as drawing:
        shown = Shown(run, texts=texts, each=drawing.draw)
        folder = folder_of(shown.frames.measured, out)
        shown.frames.read()
        # First, since they are drawn meanwhile.
        drawn = [own.key for own in shown.figures if own.panels]
        tables = _tables(shown.frames, shown.tables, ("text", "csv", "xlsx"), folder)
        reports = _reports(shown, folder, formats, drawing)
        figures = []
        for key in drawn:
            for form in ("png", "svg"):
                figures.append(folder / "figures" / f"{key}.{form}")
                _file(figures[-1], drawing.pictures()[key][form])
    return Written(tables=tables, figures=tuple(figures), reports=reports)


def _reports(
    shown: Shown, folder: Path, formats: Sequence[ReportFormat], drawing: Beside
) -> tuple[Path, ...]:
    def pictured(figure: Figure, form: Form) -> Figure:
        if not figure.panels:
            return figure
        return replace(figure, still=lambda: drawing.pictures()[figure.key][form])

    document, paths = report_of(shown), []
    # Nothing more is read, and figures are drawn in what that took.
    give_back()
    for own in formats:
        # What is sent over a network has small pictures, what is printed large ones.
        form: Form = "png" if own == "pdf" else "still"
        paths.append(folder / f"report.{_ENDINGS[own]}")
        made = with_figures(document, lambda figure, form=form: pictured(figure, form))  # type: ignore[misc]
        _file(paths[-1], render(made, own))
    return tuple(paths)


def _tables(
    frames: RunFrames, tables: Sequence[Table], formats: Sequence[TableFormat], folder: Path
) -> tuple[Path, ...]:
    document, folder = _of_tables(frames, tables), folder / "tables"
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


def _of_tables(frames: RunFrames, tables: Sequence[Table]) -> Document:
    made = max(own.finished or own.created for own in frames.manifests)
    unfinished = "" if frames.finished else " (not finished)"
    suites = dict.fromkeys(f"{own.suite.name} {own.suite.version}" for own in frames.manifests)
    facts = (
        Fact("Measured", f"{made}{unfinished}"),
        Fact("Suite", ", ".join(suites)),
        Fact("Total Models", str(len(frames.labels))),
        Fact("Total Categories", str(len(frames.tasks))),
    )
    return Document(
        "cortexscope - results tables",
        (Section("tables", "", tuple(tables)),),
        lead=(Facts(facts),),
        title="cortexscope tables",
        made=datetime.fromisoformat(made),
    )


def _figures(
    folder: Path,
    figures: Sequence[Figure],
    formats: Sequence[FigureFormat],
    width: Width | None = None,
) -> tuple[Path, ...]:
    paths = []
    for figure in figures:
        if figure.panels:
            own = [folder / "figures" / f"{figure.key}.{form}" for form in formats]
            save(figure, own, width=width)
            paths += own
    return tuple(paths)


def _file(path: Path, content: str | bytes) -> None:
    with whole_file(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
