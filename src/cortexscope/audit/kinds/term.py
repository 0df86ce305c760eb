"""A metric's name stands for a share, whose definition lacks something."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Term"]


class Term(OfMetric):
    """The metric's name stands for a share, whose definition lacks something."""

    kind: Literal["term"]
    lacks: str

    def judge(self, evidence: Evidence) -> Check:
        """Ask whether the figures can be shares at all."""
        figures = evidence.figures(self.metric)
        if not figures:
            return evidence.says(None, f"There is no {self.spoken}.")
        outside = {name: value for name, value in figures.items() if not 0 <= value <= 1}
        quantity = Quantity("figures outside 0 to 1", "0", len(outside), right=not outside)
        if outside:
            worst = max(outside, key=lambda name: abs(outside[name]))
            said = f"{len(outside)} of {len(figures)} figures are no share: {outside[worst]:g} "
            return evidence.says(False, f"{said}({worst}).", quantity)
        said = (
            f"Not excluded: all {len(figures)} figures lie from {min(figures.values()):g} to "
            f"{max(figures.values()):g}, as shares do. Not stated: {self.lacks}; another choice "
            "gives other figures, so that none can be measured again."
        )
        return evidence.says(None, said, quantity)
