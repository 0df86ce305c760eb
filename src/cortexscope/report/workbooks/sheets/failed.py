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
    said: dict[str, list[str]] = {}
    unfinished = False
    for run in frames.measured.runs:
        unfinished |= run.manifest.status != "complete"
        for model, notes in run.manifest.notes.items():
            said.setdefault(model, []).extend(notes)
    why = "not measured yet: the run is not finished" if unfinished else "no measurement"
    rows = [
        (row["model"], row["name"], row["family"], "; ".join([why, *said.get(row["model"], ())]))
        for row in frames.models.to_dict("records")
        if not frames.stacks_of(str(row["model"]))
    ]
    if not rows:
        return absent("failed", "Failed models", "none: every model has measurements")
    return Table(
        key="failed",
        title="Failed models",
        parts=(Part.of(_COLUMNS, rows),),
        notes=("Models that were asked for and have no measurement, each once.",),
    )
