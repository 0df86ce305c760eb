"""Master: every model, task and metric: its mean with the interval, raw and at equal lengths."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._means import task_rows
from cortexscope.report.workbooks._rows import (
    Row,
    Rows,
    absent,
    ends,
    estimated,
    known,
    number,
    why_missing,
)

__all__ = ["build"]

_RAW = ("Mean", *ends("Mean"))
_EQUAL = ("At equal lengths", *ends("At equal lengths"))
_COLUMNS = (
    Column("Metric"),
    Column("Model"),
    Column("Task"),
    Column("Unit", aside=True),
    number(_RAW[0], "high", "over the prompts of the task, as measured"),
    number(_RAW[1]),
    number(_RAW[2]),
    Column("Place among tasks", "integer", note="1 for the highest mean; no finding by itself."),
    number(_EQUAL[0], "high", "the mean at the model's mean log length"),
    number(_EQUAL[1]),
    number(_EQUAL[2]),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the statistics' means, a row a metric, model and task."""
    found = task_rows(frames)
    rows = Rows()
    for metric in frames.analysis.focus:
        for model in frames.labels:
            means = {task: found.get((metric, model, "raw", task)) for task in frames.tasks}
            ranked = sorted(
                (task for task, row in means.items() if row and known(row["mean"])),
                key=lambda task: -float(means[task]["mean"]),  # type: ignore[index]
            )
            why = why_missing(frames, model, metric)
            for task, raw in means.items():
                if raw is None:
                    continue
                place = ranked.index(task) + 1 if task in ranked else None
                row: Row = {"Metric": metric, "Model": model, "Task": task, "Prompts": raw["n"]}
                row |= {"Unit": labels.unit(metric), "Place among tasks": place}
                reasons = {"Place among tasks": why or "not measured"}
                equal = found[metric, model, "adjusted", task]
                for names, own in ((_RAW, raw), (_EQUAL, equal)):
                    cells, more = estimated(names, own, why)
                    row, reasons = row | cells, reasons | more
                rows.add(row, reasons)
    part = rows.part(_COLUMNS, within=("Metric", "Model"))
    if not len(part.frame):
        return absent("master", "Master", "no prompt was read yet")
    return Table(
        key="master",
        title="Master",
        parts=(part,),
        notes=(
            "The mean over the prompts of a task, paraphrases of one counted as one, with its 95 % "
            "interval. At equal lengths: with a curve in log tokens taken out. Colours compare the "
            "tasks of one metric and model.",
        ),
    )
