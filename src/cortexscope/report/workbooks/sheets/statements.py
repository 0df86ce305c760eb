"""Insights: every sentence that the run's statistics support, with the table it is of."""

from __future__ import annotations

from cortexscope.document import Column, Part, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import absent

__all__ = ["build"]

_USUAL = ("leaders",)
"""Tables that a report makes anyhow; others are only asked where they are kept."""


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return a row a sentence of `Analysis.sentences`, of the tables that are made already."""
    from cortexscope.analysis import TABLES

    analysis = frames.analysis
    rows = [
        (step.holds, sentence)
        for name, step in TABLES.items()
        if (name in _USUAL or analysis.kept(name)) and analysis.missing(name) is None
        for sentence in step.says(analysis)
    ]
    if not rows:
        return absent("statements", "Insights", "the statistics that were made say nothing")
    columns = (Column("Statistic", wraps=True), Column("Sentence", wraps=True))
    return Table(
        key="statements",
        title="Insights",
        parts=(Part.of(columns, rows),),
        notes=(
            "Each sentence holds its interval and n, or says why it has none. Of the statistics "
            "that are made; `cortexscope stats` makes all, and this sheet then has more.",
        ),
    )
