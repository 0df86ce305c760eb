"""A figure as data: panels of numbers with their titles; drawings show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from cortexscope.document._table import Table
from cortexscope.document.panels import Panel

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A figure of a document."""

    kind: ClassVar[str] = "figure"

    key: str
    """Stable name, which is also that of its files."""
    title: str
    caption: str
    """What is drawn and how to read it."""
    panels: tuple[Panel, ...]
    """Empty where there is nothing to draw; `notes` then say why."""
    columns: int = 2
    """Number of panels side by side."""
    notes: tuple[str, ...] = ()
    """What is missing, and why."""
    tables: tuple[Table, ...] = ()
    """Stand below it."""
    number: int | None = None
    """None where it stands alone; in a document it follows from the order."""
    still: Callable[[], bytes] | None = None
    """Returns a picture, PNG or WebP, for paper and for who sees a page without its scripts."""
    finding: str = ""
    """What it shows in this run, in a sentence with its numbers; empty where there is none."""

    steps: bool = False
    """Whether a page that can shows one panel after the other, at the reader's bidding."""

    @property
    def name(self) -> str:
        """Its number and title."""
        return self.title if self.number is None else f"Figure {self.number}. {self.title}"

    @property
    def alt(self) -> str:
        """What a reader who does not see the figure is told."""
        shown = "; ".join(panel.title for panel in self.panels)
        told = f" {self.finding}" if self.finding else ""
        if not shown:
            return f"{self.title}: nothing to draw."
        return f"{self.title}.{told} Panels: {shown}."
