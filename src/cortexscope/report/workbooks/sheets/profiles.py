"""Model profiles: a row a model, its mean of each metric over prompts with the interval."""

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
    why_missing,
)
from cortexscope.stats import Estimate

__all__ = ["build"]

_FACTS = {
    "Name": ("name", "text"),
    "Family": ("family", "text"),
    "Kind": ("stack_kind", "text"),
    "Parameters": ("parameters", "integer"),
    "Layers": ("layers", "integer"),
    "Heads": ("heads", "integer"),
    "Hidden size": ("hidden_size", "integer"),
}
"""Column -> that of `models.parquet`, and how it is written."""


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return what each measured model is, and its means."""
    measures = measures_of(frames, labels)
    means = model_means(frames, labels, frames.analysis.focus)
    described = frames.models.set_index("model")
    tokens = frames.lengths.groupby("model")["n_tokens"]
    count, length = tokens.count(), tokens.mean()
    rows = Rows()
    for model in frames.labels:
        if not frames.stacks_of(model):
            continue
        facts = described.loc[model]
        row: Row = {"Model": model, **{name: facts[own] for name, (own, _) in _FACTS.items()}}
        row |= {"Prompts": count.get(model, 0), "Mean tokens": length.get(model)}
        why: dict[str, str] = {}
        for own in measures:
            found = means.get((model, own.metric), Estimate(None, None, None, 0))
            missing = why_missing(frames, model, own.metric)
            cells, reasons = estimated((own.mean, own.low, own.high), asdict(found), missing)
            row, why = row | cells, why | reasons
        rows.add(row, why)
    columns = (
        Column("Model"),
        *(Column(name, kind, aside=True) for name, (_, kind) in _FACTS.items()),  # type: ignore[arg-type]
        Column("Prompts", "integer"),
        Column("Mean tokens", "number", decimals=1),
        *(column for own in measures for column in own.columns(labels, "high")),
    )
    part = rows.part(columns)
    if not len(part.frame):
        return absent("profiles", "Model profiles", "no model has a measurement")
    return Table(
        key="profiles",
        title="Model profiles",
        parts=(part,),
        notes=(
            "A value is the mean over the prompts that a model read, of its first stack, with the "
            "95 % interval that takes prompts as independent; as in Table 7. Each model reads the "
            "prompts with its own tokens, and no metric says how well a task is solved.",
        ),
    )
