"""The contract of a kind of panel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cortexscope.document._table import Part

__all__ = ["Panel", "Place"]


class Place(NamedTuple):
    """Where a panel stands in a figure that plotly draws."""

    row: int
    column: int
    """Both from 1."""
    domain: tuple[float, float]
    """Lower and upper edge, as shares of the figure's height."""

    @property
    def first(self) -> bool:
        """Whether nothing stands to its left."""
        return self.column == 1


class Panel(ABC):
    """Numbers with their titles, and how each drawing shows them.

    The panels of a figure are of one kind, or of several that fit the first, which says how large
    the figure is.
    """

    __slots__ = ()

    title: str
    legend: ClassVar[bool] = True
    """Whether the figure names the colours of all panels once, below them."""
    shares_rows: ClassVar[bool] = False
    """Whether panels side by side have the same rows, named once."""
    foot: ClassVar[int] = 0
    """Space below all panels for what explains their colours, in CSS pixels."""
    gap: ClassVar[int] = 110
    """Space for names between panels above one another, in CSS pixels."""

    @abstractmethod
    def inches(self, panels: Sequence[Any], columns: int, rows: int) -> tuple[float, float]:
        """Return width and height of a figure of such panels, which this one is the first of."""

    @property
    def title_width(self) -> tuple[int, int]:
        """Characters of a line of the title, drawn by matplotlib and by plotly."""
        return 90, 28

    @property
    def pixels(self) -> int:
        """The height between the axes, in CSS pixels."""
        return 250

    @property
    def least_width(self) -> int:
        """Below it a figure scrolls, in CSS pixels."""
        return 300

    @abstractmethod
    def matplotlib(self, axes: Axes, *, first: bool) -> None:
        """Draw into axes of matplotlib; `first` where nothing stands to the left."""

    @abstractmethod
    def plotly(self, canvas: Any, place: Place, entries: set[str]) -> None:  # noqa: ANN401 - of plotly
        """Draw into a figure of plotly; add to `entries` the names that the legend now has."""

    @abstractmethod
    def numbers(self) -> Part:
        """Return all that is drawn, a row a value."""
