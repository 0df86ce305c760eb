"""A table as data: frames with the columns' formats, and notes; renderers draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNDEFINED", "Column", "Part", "Table", "cell_text"]

UNDEFINED = "–"
"""Shown where a value is undefined."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is written."""

    name: str
    kind: Literal["text", "integer", "number"]
    decimals: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One block of a table."""

    frame: pd.DataFrame
    """Its columns are those of `columns`, in order; NaN where a value is undefined."""
    columns: tuple[Column, ...]
    title: str | None = None
    """None where the table has one block."""
    index: bool = False
    """Whether the text layout writes the first column as a row index, on the left."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A numbered table of a report."""

    key: str
    """Stable name in snake case."""
    number: int
    title: str
    notes: tuple[str, ...]
    """Sentences: how it is made, and what is missing."""
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """Its name in files, such as `table1`."""
        return f"table{self.number}"

    @property
    def frame(self) -> pd.DataFrame:
        """All rows in one frame, as the CSV file and the worksheet hold them."""
        return self.flat().frame

    def flat(self) -> Part:
        """Return the table as one part.

        Several parts become one with the columns List (the part's title), Rank (from 1), the
        columns that all share, and Value (what the part is ranked by).
        """
        import pandas as pd

        if len(self.parts) == 1:
            return self.parts[0]
        names = [[column.name for column in part.columns] for part in self.parts]
        shared = [name for name in names[0] if all(name in other for other in names)]
        frames = []
        for part in self.parts:
            value = next(c.name for c in part.columns if c.name not in shared)
            frame = part.frame[[*shared, value]].rename(columns={value: "Value"})
            frame.insert(0, "Rank", range(1, len(frame) + 1))
            frame.insert(0, "List", part.title)
            frames.append(frame)
        kinds = {column.name: column for column in self.parts[0].columns}
        columns = (
            Column("List", "text"),
            Column("Rank", "integer"),
            *(kinds[name] for name in shared),
            Column("Value", "number"),
        )
        return Part(pd.concat(frames, ignore_index=True), columns)


def cell_text(value: Any, column: Column) -> str:  # noqa: ANN401 - a cell of any frame
    """Return a cell as text; `–` where it is undefined.

    Example:
        >>> cell_text(0.31415, Column("share", "number", decimals=2))
        '0.31'
        >>> cell_text(float("nan"), Column("share", "number"))
        '–'
    """
    import pandas as pd

    if pd.isna(value):
        return UNDEFINED
    if column.kind == "text":
        return str(value)
    if column.kind == "integer":
        return str(int(value))
    # numpy's rounding is that of the study: a mean of 0.06665 is 0.0666.
    text = f"{np.round(float(value), column.decimals):.{column.decimals}f}"
    # A small negative number must not read as minus nothing.
    return text.lstrip("-") if not text.strip("-0.") else text
