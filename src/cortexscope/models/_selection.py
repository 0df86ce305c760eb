"""Choose models of the catalogue by family, size, licence and preset: `family:pythia,<1B`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.models._catalog import Entry, catalog, magnitude
from cortexscope.models._checkpoints import path_of, written_out
from cortexscope.models._reference import split_label
from cortexscope.models._variant import split_change
from cortexscope.registry import suggestion

__all__ = ["TERMS", "expand", "is_selection", "select"]

TERMS = "family:NAME, licence:NAME, preset:NAME, or a size such as '<1B' or '>=500M'"
"""The end of an error sentence: everything that a selection is made of."""

_NAMED = re.compile(r"(family|licence|license|preset):(.*)", re.IGNORECASE)
_SIZE = re.compile(r"(<=|>=|<|>) *(\d+(?:\.\d+)?[KMBT])", re.IGNORECASE)
_START = re.compile(r"[<>]|(?:family|licence|license|preset):", re.IGNORECASE)
_LABELLED = re.compile(r"[^=/\\:<>]*=(.*)")
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def expand(references: Iterable[str]) -> tuple[str, ...]:
    """Return model references with the aliases of its models in place of each selection.

    A folder of checkpoints is written out in the order of their steps; what else is no selection
    stays as it is. A model that is selected twice, or is named beside a
    selection that holds it, comes once.

    Raises:
        UsageError: if a selection is wrong, holds no model, or has a label.

    Example:
        >>> expand(["org/name", "family:pythia,<100M"])
        ('org/name', 'pythia-14m', 'pythia-31m', 'pythia-70m')
    """
    given = list(references)
    taken = {text for text in given if not is_selection(text)}
    found: list[str] = []
    for text in given:
        if is_selection(text):
            fresh = [alias for alias in select(text) if alias not in taken]
            taken.update(fresh)
            found.extend(fresh)
        else:
            _refuse_label(text)
            found.extend(_checkpoints(text))
    return tuple(found)


def is_selection(text: str) -> bool:
    """Return whether a text is a selection: one of its terms looks like one, and it is no path."""
    return any(_START.match(term) for term in _terms(text)) and not _is_path(text)


def select(selection: str) -> dict[str, Entry]:
    """Return the models for which every term holds, by alias, in the catalogue's order.

    Terms are joined by commas. A family is a `model_type` or a group of the catalogue, a size is
    compared with the number of parameters as the catalogue prints it; names are the same whatever
    their case, with `_` and spaces as good as `-`.

    Raises:
        UnknownNameError: if there is no such family, licence or preset.
        UsageError: if a term is none, or no model is left.

    Example:
        >>> list(select("family:mamba,>1B,licence:apache-2.0"))
        ['mamba-1.4b', 'mamba-2.8b']
    """
    models = catalog()
    tests = [_test(term, models.values()) for term in _terms(selection)]
    found = {alias: row for alias, row in models.items() if all(test(row) for test in tests)}
    if not found:
        raise UsageError(
            f"No model of the catalogue is all of {selection!r}; leave a term out, or choose "
            "among those that `cortexscope models list` names."
        )
    return found


def _checkpoints(text: str) -> tuple[str, ...]:
    """Return a reference to each checkpoint that a reference stands for, itself where for none.

    `FOLDER@*` stands for all in a folder, in the order of steps, and so does `FOLDER` where it is
    no model itself; a label in front is followed by the step of each.
    """
    label, body = split_label(text)
    unchanged, change = body, None
    if not path_of(body).exists():
        unchanged, change = split_change(body, lambda own: path_of(own).exists())
    behind = "" if change is None else f"~{change}"
    found = [own + behind for own in written_out(unchanged)]
    if label is not None:
        found = [f"{label}@{own.removesuffix(behind).rpartition('@')[2]}={own}" for own in found]
    return tuple(found) or (text,)


def _terms(text: str) -> list[str]:
    return [term.strip() for term in text.split(",")]


def _is_path(text: str) -> bool:
    return path_of(text).exists()


def _refuse_label(text: str) -> None:
    match = _LABELLED.fullmatch(text)
    if match is not None and is_selection(match[1]) and not _is_path(text):
        raise UsageError(
            f"{text!r} gives one name to a selection, which can hold several models; write "
            f"{match[1]!r}, and each is named by its alias."
        )


def _test(term: str, models: Iterable[Entry]) -> Callable[[Entry], bool]:
    size = _SIZE.fullmatch(term)
    if size is not None:
        compare, limit = _COMPARE[size[1]], magnitude(size[2])[0]
        return lambda row: compare(magnitude(row.parameters)[0], limit)
    named = _NAMED.fullmatch(term)
    if named is None:
        families = {_plain(name) for row in models for name in row.families}
        right = f"'family:{term}'" if _plain(term) in families else TERMS
        raise UsageError(f"{term!r} is no term of a selection of models; write {right}.")
    kind = named[1].lower().replace("license", "licence")
    wanted = named[2].strip()
    known = {name for row in models for name in _of(row, kind)}
    if _plain(wanted) not in map(_plain, known):
        hint = suggestion(wanted.lower(), known, listed_by="cortexscope models list")
        raise UnknownNameError(f"The catalogue has no {kind} {wanted!r}; {hint}")
    return lambda row: _plain(wanted) in map(_plain, _of(row, kind))


def _of(row: Entry, kind: str) -> tuple[str, ...]:
    if kind == "family":
        return row.families
    if kind == "preset":
        return row.presets
    return () if row.licence is None else (row.licence,)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip()).lower()
