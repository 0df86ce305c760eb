"""Metrics: what each one is, with its unit, definition, source, bounds and version."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import Rows, absent, number

__all__ = ["build"]

_COLUMNS = (
    Column("Metric"),
    Column("Title"),
    Column("Unit", note="1: a pure number, a share or a probability."),
    Column("Definition", wraps=True),
    Column("Source", wraps=True),
    number("Lowest possible"),
    number("Highest possible"),
    Column("A value for each"),
    Column("Group"),
    Column("Version", "integer", note="Raised whenever the numbers change."),
    Column("Measured", note="Whether the run holds a value, defined or not."),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return a row a metric that was asked for or measured."""
    rows = Rows()
    for name in dict.fromkeys([*labels.specs, *frames.metrics]):
        row: dict[str, object] = {"Metric": name, "Title": labels.title(name)}
        row["Measured"] = "yes" if name in frames.metrics else "no"
        spec = labels.specs.get(name)
        if spec is None:
            undefined = "the run does not say what the metric is"
            rows.add(row, {column.name: undefined for column in _COLUMNS})
            continue
        low, high = spec.bounds
        row |= {"Unit": spec.unit, "Definition": spec.definition, "Source": spec.source}
        row |= {"Lowest possible": low, "Highest possible": high, "Group": spec.group}
        row |= {"A value for each": ", ".join([spec.replication, *spec.axes])}
        row |= {"Version": spec.version}
        rows.add(row, dict.fromkeys(("Lowest possible", "Highest possible"), "unbounded"))
    part = rows.part(_COLUMNS)
    if not len(part.frame):
        return absent("definitions", "Metrics", "no metric was asked for")
    return Table(
        key="definitions",
        title="Metrics",
        parts=(part,),
        notes=("What each metric is; bounds are the lowest and highest value possible.",),
    )
