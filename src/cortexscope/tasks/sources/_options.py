"""How rows are read and which become prompts, as a user says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cortexscope.errors import UsageError
from cortexscope.registry import suggestion

__all__ = ["QUOTING", "ReadOptions"]

QUOTING = ("double", "backslash", "none")
"""How a CSV file writes a quote inside a quoted field; with `none`, quotes are mere marks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file's rows become prompts; what is left out is found out.

    Raises:
        UsageError: if a number or a name is none that can be used.
    """

    columns: str | Mapping[str, str] | None = None
    """Which column is what, `text=question,task=Category`; other names are the user's own."""
    template: str | None = None
    """The text, columns in braces: `Q: {question}`."""
    format: str | None = None
    """Of the files, by name; their endings tell where None."""
    encoding: str | None = None
    """Of texts, such as cp1252; a byte order mark tells, else it is UTF-8, where None."""
    delimiter: str | None = None
    """Between the fields of a CSV file: one character, or `tab`."""
    quoting: str | None = None
    """One of `QUOTING`."""
    header: bool = True
    """Whether a CSV file's, or a sheet's, first row names the columns; else they have numbers."""
    sheet: str | None = None
    """Of a workbook."""
    paragraphs: bool = False
    """Whether blank lines part the prompts of a text, in place of line ends."""
    limit: int | None = None
    """The most prompts in all."""
    per_task: int | None = None
    """The most prompts a task."""
    limit_seed: int = 0
    """Of which prompts are taken where there are more."""
    skip_bad_rows: bool = False
    """Leave out, and count, rows that give no prompt, in place of refusing the file."""

    def __post_init__(self) -> None:
        for name in ("limit", "per_task"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(
                    f"{name} is {value}; give a whole number of prompts above 0, or leave it out."
                )
        if self.quoting is not None and self.quoting not in QUOTING:
            raise UsageError(
                f"There is no quoting {self.quoting!r}; {suggestion(self.quoting, QUOTING)}"
            )
        if self.delimiter is not None and len(self.mark or "") != 1:
            raise UsageError(
                f"The delimiter is {self.delimiter!r}; give one character, such as ';', or tab."
            )

    @property
    def mark(self) -> str | None:
        """The delimiter as a character."""
        return "\t" if self.delimiter in ("tab", r"\t") else self.delimiter

    @property
    def samples(self) -> bool:
        """Whether not all prompts are wanted."""
        return self.limit is not None or self.per_task is not None
