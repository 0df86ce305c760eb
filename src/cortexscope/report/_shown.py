"""A run as a report shows it: its frames, tables and figures, each made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from cortexscope.document import Figure, Fold, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures import figures_of
from cortexscope.report.tables import tables_of
from cortexscope.store import Measurements, Run

__all__ = ["Shown"]


class Shown:
    """What the sections of a report are made of; nothing is made before it is asked for.

    Args:
        run: what is reported, one or the measurements of several.
        texts: whether the prompts' texts are shown.
        each: told of each figure as soon as it is made.

    Raises:
        CorruptRunError: here or later, if a file of a run is missing or damaged.
    """

    def __init__(
        self,
        run: Run | Measurements,
        *,
        texts: bool = True,
        each: Callable[[Figure], None] = lambda _: None,
    ) -> None:
        self._each = each
        self.texts = texts
        self.frames = RunFrames(run)
        self.labels = Labels(self.frames.measured.specs)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in the order of their numbers."""
        return tables_of(self.frames, self.labels)

    def table(self, key: str) -> Table:
        """Return a table."""
        return next(own for own in self.tables if own.key == key)

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that a report shows of the run."""
        return figures_of(self.frames, self.labels, report=True, each=self._each)

    def figures_named(self, *names: str) -> list[Figure]:
        """Return the figures with these keys that the run has, in this order."""
        return [own for name in names for own in self.figures if own.key == name]

    def folded(self, summary: str, *names: str) -> list[Fold]:
        """Return these figures in a fold, of those that the run has; none where there is none."""
        found = self.figures_named(*names)
        return [Fold(summary, tuple(found))] if found else []

    def said(self, *names: str) -> tuple[str, ...]:
        """Return what these tables of the statistics come to, of those that are kept.

        The others take too long to be made for a report alone.
        """
        from cortexscope.analysis import TABLES

        analysis = self.frames.analysis
        return tuple(
            sentence
            for name in names
            if analysis.kept(name) and not analysis.missing(name)
            for sentence in TABLES[name].says(analysis)
        )
