"""What prompts are told apart by: their tasks, or a column of the user's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.registry import suggestion
from cortexscope.store import PREFIX, Measurements, attribute_columns, plain_name
from cortexscope.texts import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_GROUPS", "TASK", "Groups", "Kind", "column_names", "groups_of"]

Kind = Literal["label", "number"]
"""Whether values name groups, which are compared, or are ranked."""

TASK = "task"
"""What prompts are told apart by where no column is named."""

MOST_GROUPS = 50
"""Groups of a column that are compared; more would be few prompts each."""

_FEW_VALUES = 5
_FEWEST = 2
_SAFE = re.compile(r"[a-z0-9_-]{1,60}")
_WORDS = re.compile(r"\b(tasks?|blocks?)\b")
_WORDED = ("method", "family", "reason", "caution", "curve_reason")


@dataclass(frozen=True)
class Groups:
    """The group or the number of each prompt."""

    column: str | None = None
    """The user's name of the column; None for tasks."""
    kind: Kind = "label"
    apart: bool = False
    """Whether groups are compared inside of tasks alone."""
    usual: bool = True
    """Whether the column is taken as its values say, and not as was asked for."""
    values: pd.Series[Any] | None = None
    """By prompt id, the name of its group or its number; missing where it has none. None for
    tasks."""
    left_out: tuple[str, ...] = ()
    """Which prompts are left out and why, in sentences."""
    why: str = ""
    """Why a column is taken as what it is, in a sentence."""

    @property
    def key(self) -> tuple[object, ...]:
        """What decides them besides what was measured; empty for tasks."""
        return () if self.column is None else (self.column, self.kind, self.apart)

    @property
    def name(self) -> str:
        """What they are called in a sentence."""
        return "the task" if self.column is None else f"{plain(self.column)!r}"

    @property
    def folder(self) -> str:
        """The folder of their statistics in those of the run; empty for tasks.

        The column's name where any file system has such a file, and else what resembles it with a
        digest, so that no two columns share one.
        """
        if self.column is None:
            return ""
        name = self.column
        if not _SAFE.fullmatch(name):
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            name = f"{plain_name(name)[:20].lower()}.{digest}"
        taken = "" if self.usual else f"+{self.kind}"
        return f"by-{name}{taken}{'+within-task' if self.apart else ''}"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The groups of a label, in order."""
        if self.values is None or self.kind == "number":
            return ()
        return tuple(sorted(self.values.dropna().unique()))

    def put(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows of prompts with their group for their task; those without any go.

        The column `task` has the group of a label, `number` the number, and `block` the task where
        groups are compared inside of tasks.

        Args:
            frame: with columns prompt_id and task.
        """
        import pandas as pd

        if self.values is None:
            return frame
        codes, ids = pd.factorize(frame["prompt_id"])
        own = self.values.reindex(pd.Index(np.asarray(ids)))
        known = own.notna().to_numpy()[codes]
        found = frame[known]
        columns: dict[str, Any] = {}
        if self.apart:
            columns["block"] = found["task"]
        if self.kind == "number":
            columns["number"] = own.to_numpy(dtype=np.float64)[codes][known]
        else:
            names = pd.Index(self.names)
            places = names.get_indexer(pd.Index(own))[codes][known]
            # As it is in the frame: texts are slow, of millions of rows.
            numbered = isinstance(frame["task"].dtype, pd.CategoricalDtype)
            columns["task"] = (
                pd.Categorical.from_codes(places, names) if numbered else names.take(places)
            )
        return found.assign(**columns)

    def worded(self, text: str) -> str:
        """Return a text that speaks of tasks as one of these groups, and of blocks as of tasks."""
        if self.column is None:
            return text
        words = {"task": "group", "tasks": "groups", "block": "task", "blocks": "tasks"}
        return _WORDS.sub(lambda found: words[found[1]], text)

    def worded_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table whose reasons and methods are worded so."""
        if self.column is None:
            return table
        found = {
            name: table[name].map(lambda own: self.worded(own) if isinstance(own, str) else own)
            for name in _WORDED
            if name in table
        }
        return table.assign(**found)

    @property
    def about(self) -> dict[str, object]:
        """What `stats.json` says of them; nothing of tasks."""
        if self.column is None:
            return {}
        facts = {"by": self.column, "kind": self.kind, "within": TASK if self.apart else None}
        return {**facts, "groups": list(self.names), "notes": list(self.says())}

    def says(self) -> Iterator[str]:
        """Yield as what a column is taken, and which prompts are left out."""
        if self.column is not None:
            yield self.why
        yield from self.left_out


def column_names(measured: Measurements) -> tuple[str, ...]:
    """Return the user's names of the columns that prompts have."""
    return tuple(name.removeprefix(PREFIX) for name in attribute_columns(measured.prompts))


def groups_of(measured: Measurements, by: str = TASK, *, within: str | None = None) -> Groups:
    """Return what a run's prompts are told apart by.

    A column of texts, or of true and false, is a label; one of decimals is a number; whole numbers
    are a label where there are up to 5 of them. `COLUMN:label` and `COLUMN:number` settle it, and
    `attributes.COLUMN` names a column that is called `task` too.

    A control has the value of the prompt that it was made from; a paraphrase that says another one
    is left out, since it would count for both. So is the only prompt of a group.

    Args:
        measured: of a run or several.
        by: `task`, or a column.
        within: `task` where groups are compared inside of tasks alone.

    Raises:
        UnknownNameError: if there is no such column.
        UsageError: if a column cannot be taken so.
    """
    if within not in (None, TASK):
        raise UsageError(f"Groups are compared within {TASK!r} alone, and not within {within!r}.")
    if by == TASK:
        if within is not None:
            raise UsageError("Tasks cannot be compared inside of tasks; name a column with --by.")
        return Groups()
    column, asked = _found(measured, by)
    values = measured.prompts.set_index("prompt_id")[PREFIX + column]
    usual, why = _kind_of(values)
    kind = asked or usual
    said = f"{plain(column)!r} "
    if asked is not None:
        why = f"is taken as a {asked}, as asked"
    elif "whole" in why:
        other = "number" if kind == "label" else "label"
        why += f"; --by {plain(column)}:{other} takes it as a {other}"
    made = Groups(column, kind, within is not None, kind == usual, why=f"{said}{why}.")
    return _filled(made, measured, _typed(values, kind, column))


def _found(measured: Measurements, by: str) -> tuple[str, Kind | None]:
    """Return the column that is meant, and as what it is to be taken."""
    names = column_names(measured)
    known = {f"{PREFIX}{name}": name for name in names} | {name: name for name in names}
    if by in known:
        return known[by], None
    stem, _, end = by.rpartition(":")
    if stem in known and end in ("label", "number"):
        return known[stem], "label" if end == "label" else "number"
    if not names:
        raise UnknownNameError(
            f"{measured} has no column {by!r}: its prompts have none of their own; give a suite's "
            "prompts further columns, or leave out --by."
        )
    raise UnknownNameError(f"{measured} has no column {by!r}; {suggestion(by, (TASK, *names))}")


def _kind_of(values: pd.Series[Any]) -> tuple[Kind, str]:
    from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

    if is_bool_dtype(values.dtype):
        return "label", "is true or false, a label"
    if is_integer_dtype(values.dtype):
        count = values.nunique()
        kind: Kind = "label" if count <= _FEW_VALUES else "number"
        return kind, f"has {count} whole numbers and is taken as a {kind}"
    if is_float_dtype(values.dtype):
        return "number", "holds decimals, a number"
    return "label", "holds texts, a label"


def _typed(values: pd.Series[Any], kind: Kind, column: str) -> pd.Series[Any]:
    """Return the names of groups, or finite numbers; missing where there is none."""
    if kind == "label":
        return values.astype(object).map(_label, na_action="ignore")
    try:
        numbers = values.astype("Float64").astype("float64")
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The column {column!r} holds texts, which are no numbers; leave out `:number`."
        ) from error
    return numbers.where(np.isfinite(numbers))


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _filled(groups: Groups, measured: Measurements, own: pd.Series[Any]) -> Groups:
    prompts = measured.prompts.set_index("prompt_id")
    origin = prompts["origin"].where(prompts["origin"].isin(prompts.index))
    made = origin.notna()
    values = own.copy()
    values[made] = own.reindex(origin[made]).to_numpy()
    other = made & own.notna() & values.notna() & (own != values)
    other &= prompts["control"] == "paraphrase"
    values = values.mask(other)
    missing = values.isna() & ~made
    said = [
        f"{_of(missing, ~made)} no value of {groups.name} and left out." if missing.any() else "",
        f"{int(other.sum())} paraphrases have another value of {groups.name} than their prompt "
        "and are left out."
        if other.any()
        else "",
    ]
    if groups.kind == "label":
        counts = values[~made].value_counts()
        few = values.isin(counts.index[counts < _FEWEST])
        if few.any():
            said.append(
                f"{int((few & ~made).sum())} prompts are alone in their group and left out."
            )
            values = values.mask(few)
        if values.nunique() > MOST_GROUPS:
            raise UsageError(
                f"The column {groups.column!r} has {values.nunique()} groups of {_FEWEST} prompts "
                f"or more, and at most {MOST_GROUPS} are compared; join some of them."
            )
    return replace(groups, values=values, left_out=tuple(filter(None, said)))


def _of(chosen: pd.Series[bool], every: pd.Series[bool]) -> str:
    count = int(chosen.sum())
    return f"{count} of {int(every.sum())} prompts {'has' if count == 1 else 'have'}"
