"""The figures, numbered in their order."""

from __future__ import annotations

from dataclasses import replace

from cortexscope.document import Prose, Section, Span
from cortexscope.report._shown import Shown

__all__ = ["build"]

_UNSCRIPTED = Prose(
    (
        (
            "The figures need JavaScript here; the same ones are in the folder ",
            Span("figures", "code"),
            " of the run, and all their numbers in the tables below and in ",
            Span("measurements", "code"),
            ".",
        ),
    ),
    "unscripted",
)


def build(shown: Shown) -> Section:
    """Return every figure that the run has."""
    numbered = (replace(own, number=number) for number, own in enumerate(shown.figures, 1))
    return Section("figures", "Figures", (_UNSCRIPTED, *numbered))
