"""A table as data: frames with the columns' formats, notes, and reasons; formats write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from cortexscope.document._words import Tone

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNDEFINED", "Column", "Part", "Table", "cell_text"]

UNDEFINED = "–"
"""Shown where a value is undefined."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column is written."""

    name: str
    kind: Literal["text", "integer", "number", "code"] = "text"
    """`code`: text that is to be read letter by letter, such as a hash."""
    decimals: int = 4
    digits: int | None = None
    """How many digits of a number count, in place of a number of decimals: for a column whose
    values span decades."""
    wraps: bool = False
    """Whether long text may take several lines."""
    tones: Mapping[str, Tone] = field(default_factory=dict)
    """Texts that stand out."""
    aside: bool = False
    """Whether it is the same in many rows, and stands behind the others where room is short."""
    term: str = ""
    """Key of the definition of what it holds; empty where there is none."""
    graded: Literal["", "high", "zero"] = ""
    """Coloured by value where a format can: `high`, from the lowest to the highest; `zero`, by how
    far they lie from 0 on either side."""
    note: str = ""
    """What it holds, for who asks."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """What a reader is shown in the place of texts; files for programs have the texts."""

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in ("integer", "number")


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
    reasons: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """Why a cell is undefined, by row (from 0) and name of the column."""
    within: tuple[str, ...] = ()
    """Graded columns compare rows that follow each other and are alike in these columns."""

    @classmethod
    def of(
        cls,
        columns: Sequence[Column | str],
        rows: Sequence[Sequence[object]],
        title: str | None = None,
    ) -> Part:
        """Return a block made of rows; a column given by its name is one of text."""
        import pandas as pd

        made = tuple(Column(own) if isinstance(own, str) else own for own in columns)
        names = [column.name for column in made]
        return cls(pd.DataFrame(list(rows), columns=names, dtype=object), made, title)

    def texts(self) -> list[list[str]]:
        """Return every cell as text, a list a row."""
        columns = [
            [cell_text(value, column) for value in self.frame[column.name]]
            for column in self.columns
        ]
        return [list(row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of a document."""

    kind: ClassVar[str] = "table"

    key: str
    """Stable name in snake case."""
    title: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    """Sentences: how it is made, and what is missing."""
    number: int | None = None
    """None where it stands alone; among others it follows from the order."""

    @property
    def name(self) -> str:
        """Its name in files, such as `table1`."""
        return self.key if self.number is None else f"table{self.number}"

    @property
    def footnotes(self) -> tuple[str, ...]:
        """The notes, and the reasons of cells that no note has said yet."""
        said = " ".join(self.notes).casefold()
        cells: dict[str, list[str]] = {}
        for part in self.parts:
            for (_, column), reason in part.reasons.items():
                if reason.casefold().rstrip(".") not in said:
                    cells.setdefault(reason.rstrip("."), []).append(column)
        return (
            *self.notes,
            *(
                f"Undefined, {', '.join(dict.fromkeys(columns))}: {reason}."
                for reason, columns in cells.items()
            ),
        )

    @property
    def frame(self) -> pd.DataFrame:
        """All rows in one frame, as the CSV file and the worksheet hold them."""
        return self.flat().frame

    def flat(self) -> Part:
        """Return the table as one part.

        Several parts become one with the columns List (the part's title), Rank (from 1), the
        columns that all share, and Value (what the part is ranked by); their reasons are left out.
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
        >>> cell_text(0.00002718, Column("share", "number", digits=3))
        '2.72e-05'
    """
    import pandas as pd

    if pd.isna(value):
        return UNDEFINED
    if not column.numeric:
        return column.titles.get(str(value), str(value))
    if column.kind == "integer":
        return str(int(value))
    if column.digits is not None:
        # Whole numbers are easier to read than powers of ten.
        large = 10**column.digits <= abs(value) < 10 ** (column.digits + 3)
        return f"{value:.0f}" if large else f"{value:.{column.digits}g}"
    # numpy's rounding is that of the study: a mean of 0.06665 is 0.0666.
    text = f"{np.round(float(value), column.decimals):.{column.decimals}f}"
    # A small negative number must not read as minus nothing.
    return text.lstrip("-") if not text.strip("-0.") else text
