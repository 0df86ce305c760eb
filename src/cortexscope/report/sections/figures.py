"""The figures, numbered in their order."""

from __future__ import annotations

from dataclasses import replace

from cortexscope.document import Prose, Section, Span
from cortexscope.report._shown import Shown

__all__ = ["ELSEWHERE", "build"]

ELSEWHERE = frozenset({"brain"})
"""Keys of figures that a later section shows as its own; their numbers follow."""

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
    """Return every figure that the run has, but for those of a section of their own."""
    here = [own for own in shown.figures if own.key not in ELSEWHERE]
    numbered = (replace(own, number=number) for number, own in enumerate(here, 1))
    return Section("figures", "Figures", (_UNSCRIPTED, *numbered))
