"""Family comparison: a row a family of models, the mean over its models."""

from __future__ import annotations

from dataclasses import asdict

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import (
    Row,
    Rows,
    absent,
    estimated,
    measures_of,
    model_means,
)
from cortexscope.stats import mean_of

__all__ = ["build"]


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return each family's mean over its models of their means over prompts."""
    measures = measures_of(frames, labels)
    means = model_means(frames, labels, frames.analysis.focus)
    held: dict[str, list[str]] = {}
    for row in frames.models.to_dict("records"):
        if frames.stacks_of(str(row["model"])):
            held.setdefault(str(row["family"]), []).append(str(row["model"]))
    read = frames.lengths.groupby("model")["prompt_id"].count()
    rows = Rows()
    for family, models in held.items():
        own: Row = {"Family": family, "Models": len(models), "Of them": ", ".join(models)}
        own["Readings"] = sum(int(read.get(model, 0)) for model in models)
        why: dict[str, str] = {}
        for measure in measures:
            each = [means.get((model, measure.metric)) for model in models]
            values = [mean.value for mean in each if mean is not None and mean.value is not None]
            found = mean_of(values, bounds=labels.bounds(measure.metric))
            names = measure.mean, measure.low, measure.high
            cells, reasons = estimated(names, asdict(found))
            if len(values) < 2:
                told = "one model tells nothing about its family" if values else "no model has it"
                reasons = dict.fromkeys(names, told)
            own, why = own | cells, why | reasons
        rows.add(own, why)
    columns = (
        Column("Family"),
        Column("Models", "integer"),
        Column("Of them", wraps=True),
        Column("Readings", "integer", note="prompts read, over its models"),
        *(column for measure in measures for column in measure.columns(labels, "high")),
    )
    part = rows.part(columns)
    if not len(part.frame):
        return absent("families", "Family comparison", "no model has a measurement")
    return Table(
        key="families",
        title="Family comparison",
        parts=(part,),
        notes=(
            "The mean over the models of a family (their model_type), each counted once, and its "
            "95 % interval over models. Models of one family share more than it, such as size.",
        ),
    )
