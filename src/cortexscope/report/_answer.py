"""What a finding is: a sentence with effect, interval and verdict, and how findings are ranked."""

from __future__ import annotations

from typing import NamedTuple

from cortexscope.analysis import Verdict
from cortexscope.document import Span, Tone

__all__ = ["RANK", "TONES", "Answer", "badge"]

RANK: dict[Verdict, int] = {"clear": 0, "only raw": 1, "open": 2}
"""The order of verdicts."""
TONES: dict[Verdict, Tone] = {"clear": "good", "only raw": "half", "open": "open"}
"""How each is coloured."""


class Answer(NamedTuple):
    """A finding in a sentence."""

    kind: str
    """What it is of: tasks, the highest task, models, length, a column of the user's own."""
    metric: str
    verdict: Verdict
    size: float
    """The share of variance that it explains at least, by which answers are ranked; 0 to 1."""
    text: str
    to: str
    """Where it is shown: `table-KEY` or `figure-KEY`."""
    value: float
    """The share of variance that it explains; of tasks, of what length leaves, NaN if unknown."""
    low: float
    """The lower end of its interval; NaN where there is none."""
    high: float


def badge(answer: Answer) -> Span:
    """Return the verdict as a coloured word."""
    return Span(answer.verdict, "badge", TONES[answer.verdict])
