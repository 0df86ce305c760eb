"""Matrix: tasks by models, a block a metric."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import Row, Rows, absent, number, why_missing

__all__ = ["build"]

_OVER = ("Mean over models", "SD over models", "Highest", "Lowest")


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the means of Table 1, a row a metric and task, a column a model."""
    import pandas as pd

    models = [model for model in frames.labels if frames.stacks_of(model)]
    focus = frames.analysis.focus
    if not models or not focus:
        return absent("matrix", "Matrix", "no model has a measurement")
    # A model may be called like a column.
    own = {model: model if model not in _FIXED else f"{model} (model)" for model in models}
    cells = frames.cells(focus).set_index(["model", "task"])
    rows = Rows()
    for metric in focus:
        why = {own[model]: why_missing(frames, model, metric) for model in models}
        for task in frames.tasks:
            values = pd.Series({own[model]: cells[metric].get((model, task)) for model in models})
            values = values.astype("float64")
            row: Row = {"Metric": metric, "Task": task, "Unit": labels.unit(metric), **values}
            row |= zip(
                _OVER, (values.mean(), values.std(), values.max(), values.min()), strict=True
            )
            reasons = {name: reason or "no prompt of the task" for name, reason in why.items()}
            reasons |= dict.fromkeys(_OVER, "no model has a value")
            if values.count() == 1:
                reasons["SD over models"] = "one model has no standard deviation"
            rows.add(row, reasons)
    columns = (
        *(Column(name) for name in ("Metric", "Task")),
        Column("Unit", aside=True),
        *(number(name, "high") for name in own.values()),
        *(number(name) for name in _OVER),
    )
    return Table(
        key="matrix",
        title="Matrix",
        parts=(rows.part(columns, within=("Metric",)),),
        notes=(
            "The mean over the prompts of a task, as in Table 1; every model counts once in the "
            "columns behind the models, and SD has the divisor n - 1. Colours compare the tasks of "
            "one metric and model. High or low is no judgement.",
        ),
    )


_FIXED = ("Metric", "Task", "Unit", *_OVER)
