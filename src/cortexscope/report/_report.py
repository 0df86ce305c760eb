"""The report of runs as a document: its sections, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count

from cortexscope.document import (
    Block,
    Document,
    Fact,
    Facts,
    Figure,
    Fold,
    Prose,
    Section,
    Span,
)
from cortexscope.report._shown import Shown
from cortexscope.report.sections import SECTIONS

__all__ = ["report_of", "with_figures"]

_UNSCRIPTED = Prose(
    (
        (
            "Without JavaScript the figures are pictures, and nothing can be sorted, searched or "
            "chosen; all numbers are in the tables and in ",
            Span("measurements", "code"),
            " of the run.",
        ),
    ),
    "unscripted",
)


def report_of(shown: Shown) -> Document:
    """Return the report, its figures numbered in their order."""
    made = (SECTIONS.load(key)(shown) for key in SECTIONS.names())
    sections: list[Section] = [own for own in made if own is not None]
    sections += _others(shown, sections)
    manifests = shown.frames.manifests
    models, tasks = len(shown.frames.labels), len(shown.frames.tasks)
    of_models = f"{models} language model{'s' * (models != 1)}"
    of_tasks = f"{tasks} task{'s' * (tasks != 1)}"
    suites = list(dict.fromkeys((own.suite.name, own.suite.version) for own in manifests))
    times = [(own.finished or own.created)[:16].replace("T", " ") for own in manifests]
    named = [f"{'' if own == 'unversioned' else 'version '}{own}" for _, own in suites]
    glance = (
        *([Fact("Runs", str(len(manifests)))] if len(manifests) > 1 else []),
        Fact("Models", str(models)),
        Fact("Tasks", str(tasks)),
        Fact("Prompts", str(len(shown.frames.prompts))),
        Fact(
            "Suite", (f"{', '.join(name for name, _ in suites)} ", Span(", ".join(named), "small"))
        ),
        Fact("Measured", (f"{max(times)} ", Span("UTC", "small"))),
    )
    version = manifests[0].versions.get("cortexscope", "")
    document = Document(
        heading=f"What happens inside {of_models} over {of_tasks}",
        sections=tuple(sections),
        lead=(*_unfinished(shown), Facts(glance, "glance"), _UNSCRIPTED),
        title=f"cortexscope: {suites[0][0]}, {models} model{'s' * (models != 1)}",
        brand=f"cortexscope {version}".rstrip(),
        made=max(datetime.fromisoformat(own.finished or own.created) for own in manifests),
    )
    numbers = count(1)
    return with_figures(document, lambda figure: replace(figure, number=next(numbers)))


def with_figures(document: Document, made: Callable[[Figure], Figure]) -> Document:
    """Return a document with what is made of each figure in its place, in order."""

    def within(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        return tuple(map(replaced, blocks))

    def replaced(block: Block) -> Block:
        if isinstance(block, Figure):
            return made(block)
        if isinstance(block, Section | Fold):
            return replace(block, blocks=within(block.blocks))
        return block

    sections = (replace(own, blocks=within(own.blocks)) for own in document.sections)
    return replace(document, sections=tuple(sections))


def _others(shown: Shown, sections: Iterable[Section]) -> Iterator[Section]:
    """Yield the figures and tables that no section shows, such as those of other packages."""
    whole = Document("", tuple(sections))
    drawn, listed = ({own.key for own in known} for known in (whole.figures, whole.tables))
    figures = [own for own in shown.figures if own.key not in drawn]
    tables = [own for own in shown.tables if own.key not in listed]
    if figures or tables:
        yield Section("more", "More figures and tables", (*figures, *tables), short="More")


def _unfinished(shown: Shown) -> Iterator[Prose]:
    if shown.frames.finished:
        return
    planned = sum(sum(own.shards.values()) for own in shown.frames.manifests)
    read = int(shown.frames.cells([])["inputs"].sum())
    asked = sum(own.suite.prompts * len(own.models) for own in shown.frames.manifests)
    text = (
        f" {read} of {asked} prompts read, over all models, in {planned} planned shards. "
        "Everything below covers what has been read so far."
    )
    name = "This run is not finished:" if len(shown.frames.manifests) == 1 else "Not finished:"
    yield Prose(((Span(name, "strong"), text),), "warning")
