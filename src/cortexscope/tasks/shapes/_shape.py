"""What a known shape of rows is: columns that tell it, and what they are to a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cortexscope.tasks._templates import Template

__all__ = ["BESIDE", "Shape", "columns"]

BESIDE = ("task", "id", "target", "paraphrase_of")
"""A suite's own columns beside the text; they are that where a shape does not say otherwise."""

Row = Mapping[str, Any]


def _same(row: Row, name: str) -> Row:
    return row


def _always(row: Row) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Shape:
    """A way in which a data set's rows are written."""

    title: str | None
    """The data set's name in a sentence; None for a suite's own columns, of which none is said."""
    needs: frozenset[str]
    """Columns that rows must have to be taken for it."""
    fields: Mapping[str, Template]
    """What becomes the text, or messages, the task, the id, the target."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """Where a field is put together by `prepare`: from what, in a few words."""
    uses: frozenset[str] = frozenset()
    """Further columns that the text is made of, or that say nothing of a prompt."""
    fits: Callable[[Row], bool] = _always
    """Whether a row with those columns has such values."""
    prepare: Callable[[Row, str], Row] = _same
    """A row, and its file's name, with the columns that the fields are read from."""
    expand: tuple[str, ...] = ()
    """Columns that hold further columns, whose values are kept by their own names."""

    def is_of(self, keys: frozenset[str], row: Row) -> bool:
        """Return whether rows with these columns, such as this one, are of the shape."""
        return self.needs <= keys and self.fits(row)


def columns(**names: str) -> dict[str, Template]:
    """Return fields that are columns, or templates where they hold braces."""
    return {
        name: Template(value if "{" in value else f"{{{value}}}") for name, value in names.items()
    }
