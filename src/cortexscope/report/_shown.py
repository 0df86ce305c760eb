"""A run as a report shows it: its frames, tables and figures, each made once."""

from __future__ import annotations

from functools import cached_property

from cortexscope.document import Figure, Table
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels
from cortexscope.report.figures import figures_of
from cortexscope.report.tables import tables_of
from cortexscope.store import Run

__all__ = ["Shown"]


class Shown:
    """What the sections of a report are made of; nothing is made before it is asked for.

    Args:
        run: what is reported.
        texts: whether the prompts' texts are shown.

    Raises:
        CorruptRunError: here or later, if a file of the run is missing or damaged.
    """

    def __init__(self, run: Run, *, texts: bool = True) -> None:
        self.run = run
        self.texts = texts
        self.manifest = run.manifest
        self.frames = RunFrames(run)
        self.labels = Labels(run.manifest.metrics)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables, in the order of their numbers."""
        return tables_of(self.frames, self.labels)

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that a report shows of the run."""
        return figures_of(self.frames, self.labels, report=True)
