"""Failed models: each model that was asked for and has no measurement, once, and why."""

from __future__ import annotations

from cortexscope.document import Column, Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import absent

__all__ = ["build"]

_COLUMNS = (Column("Model"), Column("Name"), Column("Family"), Column("Why", wraps=True))


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return a row a model without a measurement, with what its run says of it."""
    unread = "not measured yet: the run is not finished"
    rows = [
        (
            own.label,
            own.info.name,
            own.info.family,
            "; ".join(
                [
                    own.manifest.failures.get(
                        own.info.model,
                        unread if own.manifest.status == "running" else "no measurement",
                    ),
                    *own.notes,
                ]
            ),
        )
        for own in frames.origins
        if not frames.stacks_of(own.label)
    ]
    rows += [
        (model, "", "", why)
        for model, why in frames.failures.items()
        if model not in {own.info.model for own in frames.origins}
    ]
    if not rows:
        return absent("failed", "Failed models", "none: every model has measurements")
    return Table(
        key="failed",
        title="Failed models",
        parts=(Part.of(_COLUMNS, rows),),
        notes=("Models that were asked for and have no measurement, each once.",),
    )
