"""Task summary: a row a metric and task: models in its unit, then raw and at equal lengths."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._means import scope_of, task_rows
from cortexscope.report.workbooks._rows import Row, Rows, absent, ends, estimated, number

__all__ = ["build"]

_RAW = ("As measured", *ends("As measured"))
_EQUAL = ("At equal lengths", *ends("At equal lengths"))
_COLUMNS = (
    Column("Metric"),
    Column("Task"),
    Column("Unit", aside=True),
    Column("Models", "integer", note="with a value"),
    number("Mean over models", note="of the models' means over prompts, in the unit"),
    number("SD over models", note="divisor n - 1, in the unit"),
    Column("In", note="What the next six columns are in."),
    number(_RAW[0], "high", "over the prompts"),
    number(_RAW[1]),
    number(_RAW[2]),
    number(_EQUAL[0], "high", "with a curve in log tokens taken out"),
    number(_EQUAL[1]),
    number(_EQUAL[2]),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the statistics' means of tasks over all models, or of the only one."""
    scope = scope_of(frames)
    if scope is None:
        return absent("task_summary", "Task summary", "no prompt was read yet")
    cells = frames.cells(frames.analysis.focus)
    found = task_rows(frames)
    rows = Rows()
    for metric in frames.analysis.focus:
        # Of a metric that one model has, that model stands for all.
        scopes = [own for name, own, _, _ in found if name == metric]
        if not scopes:
            continue
        own_scope, unit = scopes[-1], labels.unit(metric)
        for task in frames.tasks:
            means = cells.loc[cells["task"] == task, metric].astype("float64")
            row: Row = {"Metric": metric, "Task": task, "Unit": unit, "Models": means.count()}
            row |= {"Mean over models": means.mean(), "SD over models": means.std()}
            row["In"] = unit or "1"
            if own_scope not in frames.labels:
                row["In"] = "sd of each model"
            why = {
                "Mean over models": "no model has a value",
                "SD over models": "it takes two models with a value",
            }
            for names, form in ((_RAW, "raw"), (_EQUAL, "adjusted")):
                own = found.get((metric, own_scope, form, task))
                if own is not None:
                    more, reasons = estimated(names, own)
                    row, why = row | more | {"Prompts": own["n"]}, why | reasons
                else:
                    why |= dict.fromkeys((*names, "Prompts"), "no value of the task")
            rows.add(row, why)
    return Table(
        key="task_summary",
        title="Task summary",
        parts=(rows.part(_COLUMNS, within=("Metric",)),),
        notes=(
            "Prompts are the unit of intervals. Of several models, each one's values count in its "
            "own standard deviations from its mean, averaged over models; 0 is the mean over "
            "prompts. Colours compare the tasks of one metric.",
        ),
    )
