"""Table 7: every metric that the run holds, by model, over prompts."""

from __future__ import annotations

from cortexscope.document import Column, Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.tables._columns import numbers
from cortexscope.stats import mean_of

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return mean, interval, spread and quartiles over prompts, by metric, model and stack."""
    import pandas as pd

    columns = (
        Column("Metric", titles=labels.titles(frames.metrics)),
        Column("Unit", aside=True),
        Column("Model"),
        Column("Stack", aside=True),
        # Metrics lie decades apart.
        *(
            Column(name, "number", digits=4)
            for name in ("Mean", "Low_95", "High_95", "SD", "Quartile_1", "Median", "Quartile_3")
        ),
        Column("Most_Frequent", "integer"),
        *numbers("Share"),
        Column("Prompts", "integer"),
        Column("Undefined", "integer"),
    )
    rows = []
    grouped = frames.stacks().groupby(["metric", "model", "stack"], sort=False)["value"]
    groups = {tuple(map(str, key)): values for key, values in grouped}
    wholes = {
        (str(row.metric), str(row.model), str(row.stack)): row.value
        for row in frames.wholes.itertuples()
    }
    common = {(row.metric, row.model, row.stack): row for row in frames.common.itertuples()}
    order = [(model, stack) for model in frames.labels for stack in frames.stacks_of(model)]
    for metric in frames.metrics:
        for model, stack in order:
            named = (metric, labels.unit(metric), model, stack)
            label = common.get((metric, model, stack))
            if label is not None:
                frequent = (label.value, label.share, label.prompts, label.undefined)
                rows.append((*named, *[None] * 7, *frequent))
                continue
            values = groups.get((metric, model, stack))
            if values is None:
                if (metric, model, stack) in wholes:
                    rows.append((*named, wholes[metric, model, stack], *[None] * 10))
                continue
            quartiles = values.quantile([0.25, 0.5, 0.75])
            mean = mean_of(values.to_numpy(dtype="float64"), bounds=labels.bounds(metric))
            rows.append(
                (
                    *named,
                    mean.value,
                    mean.low,
                    mean.high,
                    values.std(ddof=1),
                    *quartiles,
                    *(None, None),
                    int(values.count()),
                    int(values.isna().sum()),
                )
            )
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(
        key="metrics",
        title="Every metric, over prompts",
        notes=(
            "A prompt's value is its mean over the layers and heads of one stack. Low_95 to "
            "High_95 is the 95 % interval of the mean, which takes prompts as independent; "
            "SD has the divisor n - 1. Prompts counts those with a value, Undefined those "
            "without one. "
            "A metric whose values are labels, such as the number of a feature, has no mean: "
            "Most_Frequent is the value that it has most often over prompts and layers (the "
            "lowest of several), Share how often. "
            "Metrics with a further index, such as the load of each expert, are in no mean: "
            "they are in the measurements. Metrics of all prompts together, such as CKA, and of "
            "sequences made for them, such as the induction score, have one value a model: its "
            "mean over layers, heads and pairs of layers.",
        ),
        parts=(Part(frame, columns),),
    )
