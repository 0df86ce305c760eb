"""One file's rows on their way to prompts: what its columns are, and what each row says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cortexscope.errors import SuiteError
from cortexscope.records import Attribute, Prompt
from cortexscope.tasks._attributes import Attributes, is_scalar
from cortexscope.tasks._columns import Columns
from cortexscope.tasks._filters import Absent, kind_of
from cortexscope.tasks._reading import plain_name, prompt_of
from cortexscope.tasks._templates import Template
from cortexscope.tasks._turns import transcript
from cortexscope.tasks.shapes import BESIDE, Shape, recognised
from cortexscope.tasks.sources import Raw

__all__ = ["Rows", "Table"]

_PEEKED = 1000
"""Rows by which the shape is recognised and columns are looked for."""
_SHOWN = 20
"""Columns that a sentence names."""
_WORDS = 10_000
"""Values that are kept once for all prompts; where there are more they mostly come once."""


class Table(NamedTuple):
    """Rows of one file, or of what stands for one."""

    shown: str
    """The file as it was named, for sentences."""
    name: str
    """What its prompts' ids begin with where no column has them; their task likewise."""
    rows: Iterator[Raw]
    typed: bool
    """Whether the format tells numbers from text."""
    whole: bool = False
    """Whether each row is a file of its own, which has no lines to be named."""


class Rows:
    """The rows of a table with what its columns are.

    Raises:
        SuiteError: if that is not certain, or a column that was named is not there.
    """

    def __init__(self, table: Table, asked: Columns | None) -> None:
        peeked = list(itertools.islice(table.rows, _PEEKED))
        self.table = table
        self.raw = itertools.chain(peeked, table.rows)
        keys = list(dict.fromkeys(key for row in peeked for key in row.values))
        self.shape, self.columns = _columns(table, peeked, keys, asked)
        self._used = self.columns.used(keys) | (self.shape.uses if self.shape else frozenset())
        self._name = plain_name(table.name)
        self._source = table.shown.rpartition("/")[2]
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._words: dict[str, str] = {}

    def place(self, row: Raw) -> str:
        """Return where a row is, for sentences."""
        return self.table.shown if self.table.whole else f"{self.table.shown}:{row.line}"

    def prompt(self, row: Raw) -> Prompt:
        """Return the prompt of a row, its attributes as they stand there.

        Raises:
            SuiteError: if it gives none.
        """
        place = self.place(row)
        if row.fault is not None:
            raise SuiteError(f"{place}: {row.fault}.")
        try:
            values = self.shape.prepare(row.values, self.table.name) if self.shape else row.values
            found = self.columns.read(values)
        except Absent as error:
            raise SuiteError(f"{place}: the row gives no prompt: {error}.") from error
        except RecursionError as error:
            raise SuiteError(f"{place}: the row is nested too deep; write a plain text.") from error
        known = f"prompt {found.id!r}" if found.id else "the row"
        if found.fault is not None or (found.text is None and not found.turns):
            why = found.fault or "it is empty"
            raise SuiteError(f"{place}: {known} gives no text: {why}.")
        for name, value in (("task", found.task), ("id", found.id)):
            if value is None and name in self.columns.fields:
                raise SuiteError(f"{place}: {known} has no {name}; write one.")
        for name, value in found.attributes.items():
            if not is_scalar(value):
                raise SuiteError(
                    f"{place}: the column {name!r} holds {kind_of(value)}; name a value in it, "
                    f"such as {name}={name}.0, or leave it out."
                )
        numbered = self._name if self.table.whole else f"{self._name}-{row.line}"
        return prompt_of(
            task=self._once(found.task) if found.task else self._name,
            prompt_id=found.id or numbered,
            text=transcript(found.turns) if found.turns else found.text or "",
            target=self._once(found.target),
            paraphrase_of=found.paraphrase_of,
            attributes=self._attributes(found.attributes or self._kept(row.values, values)),
            turns=found.turns,
            # An id that is made of the line says it already.
            source=self._source if found.id is None else f"{self._source}:{row.line}",
            place=place,
        )

    def _kept(self, own: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's values that are no part of the prompt, as far as they can tell groups."""
        if self.columns.attributes:
            return {}
        expand = self.shape.expand if self.shape else ()
        found: dict[str, Any] = {}
        for name, value in own.items():
            if name in expand and isinstance(made[name], Mapping):
                held = made[name].items()
                found.update((str(key), value) for key, value in held if is_scalar(value))
            elif name not in self._used and is_scalar(value):
                found[name] = value
        return found

    def _attributes(self, found: Mapping[str, Any]) -> Mapping[str, Attribute]:
        names = tuple(found)
        return Attributes(
            self._names.setdefault(names, names), tuple(map(self._once, found.values()))
        )

    def _once(self, value: Any) -> Any:  # noqa: ANN401 - of any column
        """Return a value that may come often as the one that came first."""
        if type(value) is not str:
            return value
        if len(self._words) < _WORDS:
            return self._words.setdefault(value, value)
        return self._words.get(value, value)


def _columns(
    table: Table, peeked: list[Raw], keys: list[str], asked: Columns | None
) -> tuple[Shape | None, Columns]:
    """Return what the columns are: as they were named, else as the shape has them."""
    first = next((row for row in peeked if row.values), None)
    if first is None:
        return None, asked or Columns({})
    if asked is not None:
        asked.check(keys, table.shown)
        if asked.tells_text:
            # The shape's own text was not wanted, so only what has our names stays.
            beside = Columns.parse({name: name for name in BESIDE if name in keys})
            return None, asked.over(beside.fields)
    shape = recognised(frozenset(keys), first.values)
    if shape is None and len(keys) == 1:
        shape = Shape(None, frozenset(keys), Columns.parse({"text": f'"{keys[0]}"'}).fields)
    if shape is None:
        more = ", ..." if len(keys) > _SHOWN else ""
        raise SuiteError(
            f"{table.shown}:{first.line}: none of the columns {', '.join(keys[:_SHOWN])}{more} "
            "is known to hold the text; say which does, such as --columns "
            f"'text={_longest(peeked, keys)}'."
        )
    own = _there(shape, keys)
    return shape, asked.over(own) if asked is not None else Columns(own)


def _longest(rows: list[Raw], keys: list[str]) -> str:
    """Return the column with the longest texts, which mostly are the prompts."""

    def size(key: str) -> int:
        return sum(len(v) for row in rows if isinstance(v := row.values.get(key), str))

    return max(keys, key=size)


def _there(shape: Shape, keys: list[str]) -> dict[str, Template]:
    """Return a shape's fields but for those whose columns the rows lack."""
    return {
        name: template
        for name, template in shape.fields.items()
        if name in shape.shown or not any(one.missing(keys) for one in template.expressions())
    }
