"""Task analysis: a row a task, its mean of each metric over all models together."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._means import scope_of, task_rows
from cortexscope.report.workbooks._rows import Row, Rows, absent, estimated, measures_of

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return the statistics' means of tasks; of several models in standard deviations."""
    scope = scope_of(frames)
    if scope is None:
        return absent("task_analysis", "Task analysis", "no prompt was read yet")
    alone = scope in frames.labels
    measures = measures_of(frames, labels, None if alone else "sd")
    found = task_rows(frames)
    read = frames.lengths.groupby("task")
    count, length = read["prompt_id"].nunique(), read["n_tokens"].mean()
    rows = Rows()
    for task in frames.tasks:
        row: Row = {"Task": task, "Prompts": count.get(task, 0), "Mean tokens": length.get(task)}
        why = {"Mean tokens": "no prompt was read yet"}
        for own in measures:
            names = own.mean, own.low, own.high
            mean = found.get((own.metric, scope, "raw", task))
            unread = {"mean": None, "low": None, "high": None, "reason": "no value of the task"}
            cells, reasons = estimated(names, mean or unread)
            row, why = row | cells, why | reasons
        rows.add(row, why)
    columns = (
        Column("Task"),
        Column("Prompts", "integer"),
        Column("Mean tokens", "number", decimals=1, graded="high"),
        *(
            column
            for own in measures
            for column in own.columns(labels, "high" if alone else "zero")
        ),
    )
    several = (
        "Each model's values in its own standard deviations from its mean, averaged over the "
        "models that read a prompt, so that all weigh the same; 0 is the mean over prompts."
    )
    return Table(
        key="task_analysis",
        title="Task analysis",
        parts=(rows.part(columns),),
        notes=(
            f"Means over prompts, as measured, with 95 % intervals. {'' if alone else several} "
            "Long prompts move some metrics whatever the task: the workbook of tables has the "
            "same at equal lengths (Task summary).".replace("  ", " "),
        ),
    )
