"""Layer bands: the mean of a metric in the early, middle and late third of a model, by task."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._bands import BANDS, NOTE, by_band, layers_of
from cortexscope.report.workbooks._rows import (
    Row,
    Rows,
    absent,
    ends,
    estimated,
    number,
    why_missing,
)

__all__ = ["build"]

_MEAN = ("Mean", *ends("Mean"))
_COLUMNS = (
    Column("Metric"),
    Column("Model"),
    Column("Band"),
    Column("Task"),
    Column("Layers", aside=True),
    Column("Unit", aside=True),
    number(_MEAN[0], "high"),
    number(_MEAN[1]),
    number(_MEAN[2]),
    Column("Prompts", "integer"),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return a row a metric, model, band and task, with the interval over prompts."""
    from cortexscope.stats import task_means

    values = by_band(frames)
    grouped = dict(tuple(values.groupby(["metric", "model", "band"], sort=False)))
    layers = layers_of(frames)
    rows = Rows()
    for metric in frames.analysis.focus:
        for model in frames.labels:
            for band in BANDS:
                own = grouped.get((metric, model, band))
                if own is None:
                    continue
                why = why_missing(frames, model, metric)
                means = task_means(own, adjusted=False, bounds=labels.bounds(metric))
                found = {str(row["task"]): row for row in means.to_dict("records")}
                for task in filter(found.__contains__, frames.tasks):
                    row: Row = {"Metric": metric, "Model": model, "Band": band, "Task": task}
                    row |= {"Layers": layers.get((model, band), ""), "Unit": labels.unit(metric)}
                    cells, reasons = estimated(_MEAN, found[task], why)
                    rows.add(row | cells | {"Prompts": found[task]["n"]}, reasons)
    part = rows.part(_COLUMNS, within=("Metric", "Model", "Band"))
    if not len(part.frame):
        told = "no metric that is looked at closely has a value for each layer"
        return absent("bands", "Layer bands", told)
    told = "A value is the mean over the band's layers and heads, then over the prompts of a task."
    notes = (NOTE, f"{told} Colours compare the tasks of one metric, model and band.")
    return Table(key="bands", title="Layer bands", parts=(part,), notes=notes)
