"""What is undefined, and why."""

from __future__ import annotations

from cortexscope.document import Column, Part, Prose, Section, Table
from cortexscope.report._shown import Shown
from cortexscope.texts import plain

__all__ = ["build"]

_LEFT_OUT = "A value that is undefined is left out of every mean, and is never counted as 0."
_COLUMNS = (
    Column("Model"),
    Column("Metric", wraps=True),
    Column("Why", wraps=True),
    *(Column(name, "integer") for name in ("Values", "Of", "Prompts")),
)


def build(shown: Shown) -> Section:
    """Return a table of undefined values, by model, metric and reason."""
    rows = [
        (
            shown.frames.named(str(row["model"]), str(row["stack"])),
            shown.labels.title(str(row["metric"])),
            row["reason"],
            row["values"],
            row["of"],
            row["prompts"],
        )
        for row in shown.frames.missing().to_dict("records")
    ]
    blocks: tuple[Prose | Table, ...] = (Prose(("Every value that was measured is defined.",)),)
    if rows:
        table = Table(key="missing", title="Missing values", parts=(Part.of(_COLUMNS, rows),))
        blocks = (Prose((_LEFT_OUT,)), table)
    left = [
        plain(reading.left_out())
        for manifest in shown.frames.manifests
        for reading in manifest.suite.readings
        if reading.bad_rows
    ]
    failed = [
        f"{plain(model)} could not be measured: {plain(why)}"
        for model, why in shown.frames.failures.items()
    ]
    failed += [
        f"{plain(own.metric)} of {plain(model)} failed: {plain(own.why)}"
        for manifest in shown.frames.manifests
        for model, metrics in manifest.failed_metrics.items()
        for own in metrics
    ]
    blocks += tuple(Prose((sentence,)) for sentence in failed)
    blocks += tuple(Prose((f"Rows that gave no prompt. {sentence}",)) for sentence in left)
    return Section("missing", "Missing values", blocks)
