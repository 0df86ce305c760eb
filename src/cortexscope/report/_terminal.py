"""The summary that the command line prints when a run is done."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.document import Column, Document, Part, Prose, Section, Table
from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
    r_of,
)
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import plain, shortened
from cortexscope.report._stacks import stacks_note
from cortexscope.store import Run

__all__ = ["summary"]

_SHOWN = (
    (Column("Final act.", "number", 3), "study.final_activation"),
    (Column("Study entropy", "number", 1), STUDY_ENTROPY),
    (Column("Max sparsity", "number", 3), "study.max_sparsity"),
    (Column("Norm. entropy", "number", 3), NORMALIZED_ENTROPY),
    (Column("Sink mass", "number", 3), "attention_sink_mass"),
)
_METRICS = tuple(metric for _, metric in _SHOWN)
_COLUMNS = (
    Column("Model"),
    Column("Prompts", "integer"),
    Column("Mean tokens", "number", 1),
    *(column for column, _ in _SHOWN),
)


def summary(run: Run) -> Document:
    """Return a run as a small table and a few lines, for the format `terminal`.

    A number is the mean over the tasks, a task's the mean over its prompts.

    Raises:
        CorruptRunError: if a file of the run is missing or damaged.
    """
    frames = RunFrames(run)
    return Document("", (Section("summary", "", (_table(frames), Prose(tuple(_lines(frames))))),))


def _table(frames: RunFrames) -> Table:
    cells = frames.cells(_METRICS)
    rows = []
    for model in frames.labels:
        own = cells[cells["model"] == model]
        means = (own[metric].mean() if metric in own else float("nan") for metric in _METRICS)
        rows.append((plain(model), own["inputs"].sum(), own["tokens"].mean(), *means))
    return Table(key="summary", title="", parts=(Part.of(_COLUMNS, rows),))


def _lines(frames: RunFrames) -> Iterator[str]:
    yield from stacks_note(frames.many_stacked)
    yield ("Correlation with the prompt's number of tokens, with 95 % interval:")
    for model in frames.labels:
        yield (f"  {shortened(model, 60)}")
        for name, metric in (("study entropy", STUDY_ENTROPY), ("normalised", NORMALIZED_ENTROPY)):
            yield (f"    {name:<14} {r_of(length_correlation(frames, model, metric))}")
    missing = frames.primary_missing(_METRICS)
    undefined = int(missing["values"].sum())
    if undefined:
        reasons = "; ".join(dict.fromkeys(plain(str(why)) for why in missing["reason"]))
        yield (f"Undefined: {undefined} values ({reasons}).")
    if not frames.finished:
        yield ("This run is not finished; continue it with --resume.")
