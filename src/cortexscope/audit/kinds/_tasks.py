"""What claims on the order of tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Quantity
from cortexscope.audit._words import spoken
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._leads import End, sign_of

__all__ = ["RAW", "SINGLE", "OfTasks", "ahead", "first"]

RAW = "Raw: no lengths of prompts are published, and longer prompts alone may make a difference."
"""What a claim on tasks that holds in the published tables leaves open."""
SINGLE = (
    "No lead in a single model can be tested: a cell is the mean of two prompts, and how far these "
    "lie apart is not published."
)
"""What a claim on single cells leaves open."""


class OfTasks(OfMetric):
    """A claim on the order of tasks."""

    @property
    def named(self) -> tuple[str, ...]:
        """The tasks that it names."""
        raise NotImplementedError

    def lacking(self, evidence: Evidence) -> str:
        """Return what a run lacks to set these tasks beside others."""
        missing, run = super().lacking(evidence), evidence.run
        frame = None if run is None else run.of(self.metric)
        if missing or frame is None:
            return missing
        there = set(frame["task"])
        absent = [spoken(task) for task in self.named if task not in there]
        if absent:
            return f"The run has no prompt of {', '.join(absent)}."
        alone = len(self.named) == 1 and not there - set(self.named)
        return "The run has no other task to compare it with." if alone else ""

    def means(
        self, evidence: Evidence, known: Mapping[str, Known], tasks: Sequence[str | None]
    ) -> list[Quantity]:
        """Return the means of those of some tasks that are known."""
        note = "as quoted" if evidence.cells is None else f"n = {evidence.counts['models']} models"
        return [
            self.number(f"mean of {self.spoken}, {spoken(task)}", known[task].value, note)
            for task in tasks
            if task is not None and task in known
        ]


def first(means: Mapping[str, Known], end: End) -> str:
    """Return the highest or lowest."""
    return max(means, key=lambda task: sign_of(end) * means[task].value)


def ahead(one: Known, other: Known, end: End) -> bool | None:
    """Return whether one is further to that end; None where rounding hides it."""
    return one.above(other) if end == "highest" else other.above(one)
