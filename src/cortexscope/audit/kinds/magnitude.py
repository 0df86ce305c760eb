"""A metric is a magnitude, which is never negative."""

from __future__ import annotations

from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Magnitude"]


class Magnitude(OfMetric):
    """The metric is a magnitude, which is never negative."""

    kind: Literal["magnitude"]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Look for figures below zero, which no magnitude has."""
        run = evidence.run
        frame = None if run is None else run.of(self.metric)
        if frame is not None:
            known = frame["value"].dropna()
            below_zero = int((known < 0).sum())
            said = f"Measured as a mean of signed values, {below_zero} of {len(known)} values are "
            said += "below zero; a run does not show what the study meant."
            n = f"n = {counted(len(known), 'value')}, one a model and prompt"
            count = Quantity("values below zero", None, below_zero, note=n)
            return evidence.says(None, said, count)
        figures = evidence.figures(self.metric)
        below = {name: value for name, value in figures.items() if value < 0}
        if not figures:
            return evidence.says(None, f"There is no {self.spoken}.")
        count = Quantity("figures below zero", "0", len(below), right=not below)
        if not below:
            said = f"None of {len(figures)} figures is below zero, as a magnitude must be."
            return evidence.says(True, said, count)
        least = min(below, key=lambda name: below[name])
        said = (
            f"{len(below)} of {len(figures)} figures are below zero, and a magnitude never is; the "
            f"lowest is {below[least]:g} ({least}). They are means of signed values."
        )
        lowest = self.number(f"lowest figure, {least}", below[least])
        return evidence.says(False, said, count, lowest)
