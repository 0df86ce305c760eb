"""What the readers of all suite formats share: text files, places in them, and checked rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cortexscope.errors import SuiteError
from cortexscope.records import Attribute, Prompt, Turn
from cortexscope.registry import suggestion

__all__ = [
    "PARAPHRASE_OF",
    "Document",
    "Place",
    "Section",
    "check_names",
    "check_task_name",
    "prompt_of",
    "read_text",
    "plain_name",
]

_LONGEST_NAME = 100
NONE: Mapping[str, Attribute] = {}
"""The attributes of prompts that have none: one for all, as there may be a million."""
PARAPHRASE_OF = "paraphrase_of"
"""The key or column that holds the id of the prompt which one says in other words."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, counted from 1; written as `my-suite.yaml:12`."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Section:
    """A task as one file has it, and where it begins."""

    task: str
    description: str
    prompts: tuple[Prompt, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Document:
    """One suite file as it was read."""

    file: Path
    name: str
    version: str
    sections: tuple[Section, ...]


def read_text(file: Path) -> str:
    """Return the text of a UTF-8 file, line ends untouched, without a byte order mark.

    Raises:
        SuiteError: if the file cannot be read, is empty, is not UTF-8, or holds a NUL.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SuiteError(f"{file} cannot be read ({why}); check its permissions.") from error
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = Place(file, content.count(b"\n", 0, error.start) + 1)
        raise SuiteError(
            f"{place}: byte {content[error.start]:#04x} at offset {error.start} is not UTF-8; "
            "save the file as UTF-8."
        ) from error
    if "\0" in text:
        place = Place(file, text.count("\n", 0, text.index("\0")) + 1)
        raise SuiteError(f"{place}: a NUL character stands in the file; delete it.")
    if not text.strip():
        raise SuiteError(f"{file} is empty; write at least one prompt into it.")
    return text


def check_names(
    found: Iterable[str], *, required: Iterable[str], optional: Iterable[str], kind: str, where: str
) -> None:
    """Check the keys or columns that were found against those that are needed or allowed.

    Args:
        found: the names as written.
        required: names that must be there.
        optional: names that may be there.
        kind: `key` or `column`, for the message.
        where: the start of the message: the place, and the prompt or task where known.

    Raises:
        SuiteError: if one is unknown or missing.
    """
    found, required = list(found), list(required)
    known = [*required, *optional]
    for name in found:
        if name not in known:
            raise SuiteError(f"{where}: wrong {kind} {name!r}; {suggestion(name, known)}")
    for name in required:
        if name not in found:
            raise SuiteError(
                f"{where}: {kind} {name!r} is missing; needed are {', '.join(required)}."
            )


def check_task_name(name: str, place: str) -> None:
    """Check that a task's name can stand in tables and sentences.

    Raises:
        SuiteError: if it is empty or long, or holds a line break or another unprintable character.
    """
    if not name.strip():
        raise SuiteError(f"{place}: the name of the task is empty; write one.")
    if not name.isprintable() or name != name.strip() or len(name) > _LONGEST_NAME:
        raise SuiteError(
            f"{place}: {name[:60]!r} cannot name a task; use at most {_LONGEST_NAME} printable "
            "characters, with no space at the ends."
        )


def plain_name(file: str) -> str:
    """Return a file's name as a task may be called, or an id begin.

    Example:
        >>> plain_name("test/GSM8K easy")
        'test/GSM8K easy'
    """
    plain = "".join(mark if mark.isprintable() else "_" for mark in file)
    return plain.strip()[:_LONGEST_NAME].strip() or "prompts"


def prompt_of(
    *,
    task: str,
    prompt_id: str,
    text: str,
    place: str,
    source: str,
    target: str | None = None,
    paraphrase_of: str | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    turns: tuple[Turn, ...] = (),
) -> Prompt:
    """Return a prompt whose id and texts are fit to be stored and tokenized.

    An empty target is none, and so is the empty id of a prompt that it would be a paraphrase of.

    Raises:
        SuiteError: if the task's name, the id or the text is empty, or one of them or the target
            holds what it must not; the message begins with the place.
    """
    check_task_name(task, place)
    if not prompt_id.strip():
        raise SuiteError(f"{place}: the id of a prompt is empty; give it one, unique in the suite.")
    if not prompt_id.isprintable() or prompt_id != prompt_id.strip():
        raise SuiteError(
            f"{place}: the id {prompt_id!r} holds a line break, an unprintable character or space "
            "at an end; leave that out."
        )
    where = f"{place}: prompt {prompt_id!r}"
    if not text:
        raise SuiteError(f"{where} has an empty text; write one or delete the prompt.")
    if text.isspace():
        raise SuiteError(f"{where} has a text of white space only; write one or delete the prompt.")
    _check_characters(text, "text", where)
    if target and target.isspace():
        raise SuiteError(f"{where} has a target of white space only; write one or leave it empty.")
    _check_characters(target or "", "target", where)
    if paraphrase_of == prompt_id:
        raise SuiteError(f"{where} is said to be a paraphrase of itself; name the other prompt.")
    return Prompt(
        prompt_id,
        task,
        text,
        source,
        target or None,
        control="paraphrase" if paraphrase_of else None,
        origin=paraphrase_of or None,
        attributes=attributes or NONE,
        turns=turns,
    )


def _check_characters(text: str, what: str, where: str) -> None:
    if "\0" in text:
        raise SuiteError(f"{where} has a NUL character in its {what}; delete it.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SuiteError(
            f"{where} has half of a surrogate pair ({text[error.start]!a}) at character "
            f"{error.start} of its {what}; write the whole character."
        ) from error
