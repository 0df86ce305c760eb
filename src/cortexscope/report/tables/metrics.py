"""Table 7: every metric that the run holds, by model, over prompts."""

from __future__ import annotations

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report._table import Column, Part, Table
from cortexscope.report.tables._columns import numbers, texts

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return mean, standard deviation and quartiles over prompts of every metric and model."""
    import pandas as pd

    columns = (
        *texts("Metric", "Unit", "Model"),
        *numbers("Mean", "SD", "Quartile_1", "Median", "Quartile_3"),
        Column("Prompts", "integer"),
        Column("Undefined", "integer"),
    )
    rows = []
    grouped = frames.values.groupby(["metric", "model"], sort=False)
    groups = {(str(metric), str(model)): part for (metric, model), part in grouped}
    for metric in frames.metrics:
        for model in frames.labels:
            if (metric, model) not in groups:
                continue
            values = groups[metric, model]["value"]
            quartiles = values.quantile([0.25, 0.5, 0.75])
            rows.append(
                (
                    metric,
                    labels.unit(metric),
                    model,
                    values.mean(),
                    values.std(ddof=1),
                    *quartiles,
                    int(values.count()),
                    int(values.isna().sum()),
                )
            )
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(
        key="metrics",
        number=7,
        title="Every metric, over prompts",
        notes=(
            "A prompt's value is its mean over layers and heads; SD has the divisor n - 1. "
            "Prompts counts those with a value, Undefined those without one. "
            "Metrics with a further index, such as a bin or an expert, are only in the "
            "measurements.",
        ),
        parts=(Part(frame, columns),),
    )
