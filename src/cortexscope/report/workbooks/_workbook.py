"""A workbook as a document: an overview, then the sheets that the run has something for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

from cortexscope.document import Column, Document, Part, Section, Table

if TYPE_CHECKING:
    from cortexscope.report._frames import RunFrames
    from cortexscope.report._labels import Labels

__all__ = ["Workbook"]

Sheet = Callable[["RunFrames", "Labels"], Table]

_COLUMNS = (Column("About"), Column("What"), Column("Value"), Column("Remark", wraps=True))


@dataclass(frozen=True, slots=True)
class Workbook:
    """A workbook of a run: sheets by the names of their files, an overview before them."""

    title: str
    sheets: tuple[str, ...]
    """Files in `sheets/`, each with a function `build(frames, labels)`. One whose table has no row
    is left out; its first note says why."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Document:
        """Return the workbook of a run, a section a sheet."""
        made = [_sheet(name)(frames, labels) for name in self.sheets]
        held = [table for table in made if len(table.frame)]
        runs = frames.measured.runs
        ended = [run.manifest.finished or run.manifest.created for run in runs]
        return Document(
            heading=f"cortexscope: {self.title.lower()}",
            sections=tuple(
                Section(table.key, table.title, (table,))
                for table in (_overview(frames, made), *held)
            ),
            made=datetime.fromisoformat(max(ended)),
        )


def _sheet(name: str) -> Sheet:
    made: Sheet = import_module(f"cortexscope.report.workbooks.sheets.{name}").build
    return made


def _overview(frames: RunFrames, sheets: Sequence[Table]) -> Table:
    rows = [*_runs(frames), *_extent(frames), *_listed(sheets)]
    return Table(
        key="overview",
        title="Overview",
        parts=(Part.of(_COLUMNS, rows),),
        notes=(
            "A value is undefined where its cell is empty; a comment says why. Intervals hold "
            "with 95 %. Colours compare the rows of one column, and judge nothing.",
        ),
    )


def _runs(frames: RunFrames) -> Iterator[tuple[object, ...]]:
    for run in frames.measured.runs:
        manifest = run.manifest
        about = f"Run {run.path.name}"
        remark = "" if manifest.status == "complete" else "not finished: what was read so far"
        yield about, "Measured", manifest.finished or manifest.created, remark
        yield about, "Suite", manifest.suite.name, f"version {manifest.suite.version}"
        yield about, "cortexscope", manifest.versions.get("cortexscope", ""), ""


def _extent(frames: RunFrames) -> Iterator[tuple[object, ...]]:
    measured = [model for model in frames.labels if frames.stacks_of(model)]
    left = len(frames.labels) - len(measured)
    remark = f"{left} more without a measurement" if left else ""
    prompts = frames.prompts
    controls = int(prompts["control"].notna().sum())
    yield "Extent", "Models measured", len(measured), remark
    yield "Extent", "Tasks", len(frames.tasks), ""
    told = f"and {controls} controls, which are in no mean here" if controls else ""
    yield "Extent", "Prompts", len(prompts) - controls, told
    yield "Extent", "Readings", int(frames.cells([])["inputs"].sum()), "prompts read by a model"
    yield "Extent", "Metrics measured", len(frames.metrics), "defined in the sheet Metrics"


def _listed(sheets: Sequence[Table]) -> Iterator[tuple[object, ...]]:
    for table in sheets:
        held, first = len(table.frame), next(iter(table.notes), "")
        value: object = held if held else "left out"
        yield "Sheets", table.title, value, f"rows. {first}" if held else first
