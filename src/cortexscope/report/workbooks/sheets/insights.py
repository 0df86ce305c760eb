"""Key insights: what the run answers, with effect, interval and verdict, the clearest first."""

from __future__ import annotations

from cortexscope.document import Column, Table
from cortexscope.report._answers import answers
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.workbooks._rows import Rows, absent, number

__all__ = ["build"]

_SHARE = ("Share of variance", "Share, low 95 %", "Share, high 95 %")
_COLUMNS = (
    Column("Of"),
    Column("Finding", wraps=True),
    Column(
        "Verdict",
        note="clear: also at equal lengths of prompts. only raw: where lengths are as they are. "
        "open: not told by this run.",
    ),
    Column("Metric"),
    number(_SHARE[0], note="that the finding explains, by which findings are ranked"),
    number(_SHARE[1]),
    number(_SHARE[2]),
)


def build(frames: RunFrames, labels: Labels) -> Table:
    """Return a row a finding, as the report leads with them."""
    rows = Rows()
    for own in answers(frames, labels):
        share = dict(zip(_SHARE, (own.value, own.low, own.high), strict=True))
        why = dict.fromkeys(_SHARE, "not known at equal lengths; the sentence says what is known")
        if own.kind == "highest":
            why[_SHARE[2]] = "a lead is ranked by its lower end alone"
        facts = {"Of": own.kind, "Finding": own.text, "Verdict": own.verdict, "Metric": own.metric}
        rows.add({**facts, **share}, why)
    part = rows.part(_COLUMNS)
    if not len(part.frame):
        return absent("insights", "Key insights", "nothing can be told from what was measured")
    return Table(
        key="insights",
        title="Key insights",
        parts=(part,),
        notes=(
            "Sentences made of the run's statistics, the clearest and largest first; each has its "
            "interval and the number of prompts. None is made of a lead that may be chance.",
        ),
    )
