"""Read what came of the answers to prompts: right or wrong, or a score, by the prompts' ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.registry import suggestion
from cortexscope.tasks._files import is_there
from cortexscope.tasks._loading import load_suite
from cortexscope.tasks.shapes import recognised
from cortexscope.tasks.sources import ReadOptions, Source, rows_of, stem_of

__all__ = ["Answers", "answers_of", "load_answers"]

_IDS = ("prompt_id", "id")
_USUAL = ("outcome", "correct", "right", "passed", "score", "acc", "exact_match")
"""Names that say that a column is of outcomes, where several could be."""
_WORDS = {
    **dict.fromkeys(("c", "correct", "right", "true", "yes", "pass", "passed"), 1.0),
    **dict.fromkeys(("i", "n", "incorrect", "wrong", "false", "no", "fail", "failed"), 0.0),
    **dict.fromkeys(("p", "partial"), 0.5),
}
"""How right and wrong are written, C, I, P and N by inspect_ai (N for no answer)."""


class Answers(NamedTuple):
    """What came of the answers to prompts."""

    outcomes: Mapping[str, float]
    """By prompt id: 1 for right and 0 for wrong, or scores."""
    column: str
    """What it was read from."""
    empty: int
    """Prompts that have nothing there."""


def load_answers(path: Path | str, *, column: str | None = None) -> Answers:
    """Return the outcomes in a file of rows, such as CSV or JSONL, or a log of an evaluation.

    Samples of lm-eval and logs of inspect_ai are read as `load_suite` reads them, so that ids are
    those of a run over the same file. Of other rows the column `prompt_id` or `id` names prompts.

    Args:
        path: of the file.
        column: which holds the outcomes; the one that does where None.

    Raises:
        SuiteError: if the file cannot be read, or has no column of ids.
        UsageError: if it is not certain which column is meant, or a value is no outcome.
        UnknownNameError: if there is no such file or column.
    """
    path = Path(path)
    if not is_there(path):
        raise UnknownNameError(f"There is no file {str(path)!r} of outcomes; give one that exists.")
    suite = load_suite(path, columns=_by_id(path))
    rows = {prompt.id: prompt.attributes for prompt in suite.prompts}
    return answers_of(rows, column=column, where=str(path))


def answers_of(rows: Mapping[str, Mapping[str, Any]], *, column: str | None, where: str) -> Answers:
    """Return the outcomes in a column of prompts.

    Args:
        rows: by prompt id, its columns.
        column: which; the one that holds outcomes where None.
        where: they stand, for sentences.

    Raises:
        UsageError: if it is not certain which column is meant, or a value is no outcome.
        UnknownNameError: if there is no such column.
    """
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    if column is None:
        column = _chosen(names, rows, where)
    elif column not in names:
        raise UnknownNameError(f"{where} has no column {column!r}; {suggestion(column, names)}")
    found: dict[str, float] = {}
    for name, row in rows.items():
        value = row.get(column)
        if value is None:
            continue
        outcome = _outcome(value)
        if outcome is None:
            raise UsageError(
                f"{where}: prompt {name!r} has {value!r} as {column!r}, which is neither right nor "
                "wrong nor a score; write true or false, or a number."
            )
        found[name] = outcome
    return Answers(found, column, len(rows) - len(found))


def _by_id(path: Path) -> dict[str, str] | None:
    """Return columns by which ids stand for the texts that rows lack; None where they have some."""
    if path.is_dir():
        return None
    source = Source(path, str(path), stem_of(path), None)
    first = next((row.values for row in rows_of(source, ReadOptions()) if row.values), None)
    if first is None or recognised(frozenset(first), first) is not None:
        return None
    name = next((name for name in _IDS if name in first), None)
    if name is None:
        raise SuiteError(
            f"{path} has no column of prompts' ids among {', '.join(map(str, first))}; name it "
            "prompt_id."
        )
    return {"text": name, "id": name}


def _chosen(names: Iterable[str], rows: Mapping[str, Mapping[str, Any]], where: str) -> str:
    fit = [
        name
        for name in names
        if name not in _IDS
        and all((v := row.get(name)) is None or _outcome(v) is not None for row in rows.values())
    ]
    usual = [name for name in fit if name.lower() in _USUAL]
    for found in (usual, fit):
        if len(found) == 1:
            return found[0]
    if fit:
        raise UsageError(
            f"{where} has several columns that may hold the outcomes; name one with --column: "
            f"{', '.join(fit)}."
        )
    raise UsageError(
        f"{where} has no column of outcomes; write one with true or false, or a score, a prompt."
    )


def _outcome(value: object) -> float | None:
    """Return a value as a number; None where it is no outcome."""
    if isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None
