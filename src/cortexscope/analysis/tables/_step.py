"""What a table of statistics is: its name, what it holds, how it is made, what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis
    from cortexscope.analysis._groups import Kind

__all__ = ["Step"]


class Step(ABC):
    """One table of a run's statistics.

    What it needs it asks the analysis for: values, vectors, other tables. What it draws comes from
    the analysis's stream of its own name, so that a new table moves no other's numbers.
    """

    name: ClassVar[str]
    """In snake case: that of its file too."""
    holds: ClassVar[str]
    """What it holds, in a phrase."""
    of_vectors: ClassVar[bool] = False
    """Whether it is made of vectors that a run kept, besides its measurements."""
    of_focus: ClassVar[bool] = False
    """Whether only the metrics that are looked at closely decide it, whichever others there are."""
    made_of: ClassVar[tuple[str, ...]] = ()
    """Metrics that it is made of, whichever an analysis is of; it is written where all of them
    were asked for."""
    kinds: ClassVar[tuple[Kind, ...]] = ("label",)
    """What prompts may be told apart by: groups, such as tasks, or numbers."""
    apart: ClassVar[bool] = False
    """Whether it can compare groups inside of tasks."""

    @abstractmethod
    def build(self, of: Analysis) -> pd.DataFrame:
        """Return the table, empty where there is nothing; asked only where there are values."""

    def concerns(self, of: Analysis) -> bool:
        """Return whether a run is of what the table is about, such as a comparison of models."""
        return True

    def absent(self, of: Analysis) -> str:
        """Return why the table is empty, in a phrase."""
        return "no metric was looked at closely"

    def says(self, of: Analysis) -> Iterable[str]:
        """Yield the sentences that the table supports; asked only where it has rows."""
        return ()
