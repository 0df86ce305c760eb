"""Which column of a row is what: the text, the task, the id, the target, and what else is known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cortexscope.errors import SuiteError, UsageError
from cortexscope.records import Turn
from cortexscope.registry import suggestion
from cortexscope.tasks._expressions import Expression
from cortexscope.tasks._filters import Absent, is_absent
from cortexscope.tasks._templates import Template
from cortexscope.tasks._turns import turns_of

__all__ = ["FIELDS", "Columns", "Fields"]

FIELDS = ("text", "messages", "task", "id", "target", "paraphrase_of")
"""What a column can be to a prompt; any other name is an attribute of the user's own."""

_OWN = "attributes."
_PIECE = re.compile(
    r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|[^,])+"""
)


@dataclass(slots=True)
class Fields:
    """What a row says of a prompt."""

    text: str | None = None
    turns: tuple[Turn, ...] = ()
    """Of a conversation, up to the last one of the user, in place of a text."""
    task: str | None = None
    id: str | None = None
    target: str | None = None
    paraphrase_of: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    """As they stand in the row."""
    fault: str | None = None
    """Why there is no text."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Expressions and templates by what they give.

    Example:
        >>> columns = Columns.parse("text=question,task=kind,level=meta.level")
        >>> fields = columns.read({"question": "Why?", "kind": "open", "meta": {"level": 3}})
        >>> fields.text, fields.task, fields.attributes
        ('Why?', 'open', {'level': 3})
    """

    fields: Mapping[str, Template]
    attributes: Mapping[str, Expression] = field(default_factory=dict)
    """By their names; where none is named, a table keeps what fits."""

    @classmethod
    def parse(cls, asked: str | Mapping[str, str], template: str | None = None) -> Columns:
        """Return what `text=question,task=Category,difficulty` asks for, or a mapping of the same.

        A name without a column is an attribute of that name, and so is a name that is none of
        `FIELDS` with one.

        Raises:
            UsageError: if a part of it cannot be read, or a name is nearly one of `FIELDS`.
        """
        pairs = list(_pairs(asked) if isinstance(asked, str) else asked.items())
        fields: dict[str, Template] = {}
        attributes: dict[str, Expression] = {}
        for name, value in pairs:
            if name in fields or name in attributes:
                raise UsageError(f"The columns name {name!r} twice; leave one of them out.")
            if name in FIELDS:
                fields[name] = Template(value if "{" in value else f"{{{value}}}")
                fields[name].parts()
            else:
                attributes[_own_name(name)] = Expression.parse(value)
        if template is not None:
            if "text" in fields or "messages" in fields:
                raise UsageError(
                    "Both a template and a column were given for the text; leave one of them out."
                )
            fields["text"] = Template(template)
            fields["text"].parts()
        if "text" in fields and "messages" in fields:
            raise UsageError("Columns were given for text and messages; leave one of them out.")
        return cls(fields, attributes)

    @property
    def tells_text(self) -> bool:
        """Whether they say what the text is."""
        return "text" in self.fields or "messages" in self.fields

    def over(self, others: Mapping[str, Template]) -> Columns:
        """Return these columns, with those others that they do not name themselves."""
        return Columns({**others, **self.fields}, self.attributes)

    def expressions(self, *names: str) -> list[Expression]:
        """Return what is read for some fields, or for all fields and attributes."""
        fields = [self.fields[name] for name in names or self.fields if name in self.fields]
        found = [part for template in fields for part in template.expressions()]
        return found if names else [*found, *self.attributes.values()]

    def used(self, known: Collection[str], *names: str) -> frozenset[str]:
        """Return which of the known columns some fields read, or all fields and attributes."""
        return frozenset().union(*(one.columns(known) for one in self.expressions(*names)))

    def check(self, known: Collection[str], where: str) -> None:
        """Check that each expression reads columns that are there.

        Raises:
            SuiteError: if one does not; the message holds the nearest names.
        """
        for expression in self.expressions():
            for name in expression.missing(known):
                raise SuiteError(f"{where}: there is no column {name!r}; {suggestion(name, known)}")

    def read(self, row: Mapping[str, Any]) -> Fields:
        """Return what a row says; `fault` says why it has no text."""
        found = Fields()
        try:
            if "messages" in self.fields:
                part = self.fields["messages"].parts()[0]
                assert isinstance(part, Expression)
                said = part.of(row)
                if isinstance(said, str):
                    found.text = said
                else:
                    found.turns, found.target = turns_of(said)
            elif "text" in self.fields:
                found.text = self.fields["text"].render(row)
        except Absent as error:
            found.fault = str(error)
        for name in ("task", "id", "target", "paraphrase_of"):
            if name in self.fields:
                value = _maybe(self.fields[name], row)
                setattr(found, name, getattr(found, name) if value is None else value)
        for name, expression in self.attributes.items():
            try:
                value = expression.of(row)
            except Absent:
                value = None
            found.attributes[name] = None if is_absent(value) else value
        return found


def _maybe(template: Template, row: Mapping[str, Any]) -> str | None:
    try:
        return template.render(row) or None
    except Absent:
        return None


def _pairs(asked: str) -> Iterator[tuple[str, str]]:
    for piece in _PIECE.findall(asked):
        name, equals, value = piece.partition("=")
        if not name.strip() or (equals and not value.strip()):
            raise UsageError(
                f"{piece.strip()!r} among the columns is no pair; write NAME=COLUMN, such as "
                "text=question, or the name of a column to keep."
            )
        name = name.strip().strip("\"'")
        yield name, value.strip() if equals else f'"{name}"'


def _own_name(name: str) -> str:
    if name.startswith(_OWN):
        name = name.removeprefix(_OWN)
    else:
        alike = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.74)
        if len(name) > 3 and alike and abs(len(name) - len(alike[0])) < 2:
            raise UsageError(
                f"The columns name {name!r}; did you mean {alike[0]!r}? Write "
                f"{_OWN}{name}=COLUMN to keep a column by that name."
            )
    if not name.isprintable() or not name.strip():
        raise UsageError(f"{name!r} cannot name a column of your own; use printable characters.")
    return name
