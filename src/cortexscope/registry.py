"""Tables of extensions: a name, where its object lives, and a hint for a misspelt name.

A row is `name -> "module:Object"`, so listing names imports nothing. Other packages add rows by
an entry point in the group `cortexscope.<kind>s`, such as `cortexscope.metrics`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from cortexscope.errors import UnknownNameError, UsageError

__all__ = ["Registry", "suggestion"]

_SHOWN = 12


def suggestion(name: str, known: Iterable[str], *, listed_by: str | None = None) -> str:
    """Return the end of an error sentence: the nearest known names, else the first dozen.

    Args:
        name: what was asked for.
        known: the names that there are.
        listed_by: the command that lists them all, named where the sentence cannot.

    Example:
        >>> suggestion("pie", ["pi", "tau"])
        "did you mean 'pi'?"
        >>> suggestion("x", [str(number) for number in range(10, 50)], listed_by="count")
        'known: 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21 and 28 more, listed by `count`.'
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(match) for match in near) + "?"
    more = len(known) - _SHOWN
    if more <= 1:
        return "known: " + (", ".join(known) if known else "none") + "."
    how = "" if listed_by is None else f", listed by `{listed_by}`"
    return f"known: {', '.join(known[:_SHOWN])} and {more} more{how}."


class Registry:
    """A table of one kind of extension, filled by rows and by entry points.

    Example:
        >>> table = Registry("metric", {"pi": "math:pi"})
        >>> table.names()
        ['pi']
        >>> table.load("pie")
        Traceback (most recent call last):
        ...
        cortexscope.errors.UnknownNameError: There is no metric 'pie'; did you mean 'pi'?
    """

    def __init__(self, kind: str, rows: Mapping[str, str]) -> None:
        self.kind = kind
        self._rows = dict(rows)
        self._origins: dict[str, str] = {}
        self._outside_read = False

    def _all_rows(self) -> dict[str, str]:
        if not self._outside_read:
            rows, origins = dict(self._rows), {}
            for point in entry_points(group=f"cortexscope.{self.kind}s"):
                if point.name in rows:
                    raise UsageError(
                        f"Two packages offer a {self.kind} named {point.name!r} "
                        f"({rows[point.name]} and {point.value}); uninstall one of them."
                    )
                package = point.dist
                rows[point.name] = point.value
                origins[point.name] = f"{package.name} {package.version}" if package else "outside"
            self._rows, self._origins, self._outside_read = rows, origins, True
        return self._rows

    def names(self) -> list[str]:
        """Return all names, in the order of the table, those of other packages last."""
        return list(self._all_rows())

    def check(self, name: str) -> None:
        """Do nothing for a known name.

        Raises:
            UnknownNameError: if there is no such name; the message holds the nearest ones.
        """
        if name not in self._all_rows():
            known = self._all_rows()
            raise UnknownNameError(f"There is no {self.kind} {name!r}; {suggestion(name, known)}")

    def add(self, name: str, place: str, *, origin: str) -> None:
        """Add a row for as long as the process lives.

        Args:
            name: of no other row.
            place: `module:Object`.
            origin: what fixes the code that is there, such as the hash of its file.
        """
        self._all_rows()[name] = place
        self._origins[name] = origin

    def drop(self, name: str) -> None:
        """Take a row away."""
        del self._rows[name]
        self._origins.pop(name, None)

    def place(self, name: str) -> str:
        """Return where the object of a known name is, `module:Object`."""
        self.check(name)
        return self._rows[name]

    def origin(self, name: str) -> str | None:
        """Return what fixes the code behind a name from outside; None for a row of the table.

        The name and version of the package that offers it, or what `add` was told.
        """
        self.check(name)
        return self._origins.get(name)

    def load(self, name: str) -> Any:  # noqa: ANN401 - each table knows its own type
        """Return the object behind a name, importing its module now.

        Raises:
            UnknownNameError: if there is no such name; the message holds the nearest ones.
            UsageError: if it comes from another package and cannot be imported.
        """
        place = self.place(name)
        module, _, attribute = place.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            if name not in self._origins:
                raise
            raise UsageError(
                f"The {self.kind} {name!r} of {self._origins[name]} cannot be read from {place} "
                f"({type(error).__name__}: {error}); repair that package, or uninstall it."
            ) from error
