"""Figures are said to show something that was not measured."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import listed
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Meaning"]


class Meaning(OfMetric):
    """The metric's figures are said to show something else."""

    kind: Literal["meaning"]
    shows: str
    columns: tuple[str, ...]
    """Words that the name of a column has which measures it."""
    also: str
    """What else makes such figures, in a sentence."""

    def judge(self, evidence: Evidence) -> Check:
        """Look for a column that measures what is said to be shown."""
        there = [
            name
            for name in evidence.given.columns
            if any(word in name.lower().split("_") for word in self.columns)
        ]
        quantity = Quantity(f"columns that measure {self.shows}", None, len(there))
        if there:
            said = f"{listed(there)} may measure {self.shows}; that it follows from "
            said += f"{self.spoken} is not tested here."
        elif evidence.given.columns:
            said = f"No column of Table 1 measures {self.shows}."
        else:
            said = f"No figure that is quoted measures {self.shows}."
        return evidence.says(None, f"{said} {self.also}", quantity)
