"""The drawn brain with need in the place of activity: what is lost without each region."""

from __future__ import annotations

from cortexscope.report.figures.brain import BrainView

__all__ = ["build"]

build = BrainView(table="region_needs")
