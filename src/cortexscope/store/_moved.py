"""Which values of a run are others in a second run of the same, metric by metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.store._frames import to_frame
from cortexscope.store._reader import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Moved", "moved"]

_KEYS = ["model", "task", "prompt_id", "stack", "layer", "head", "index", "step"]


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the values of a metric."""

    metric: str
    values: int
    """How many places both runs have, undefined ones included."""
    same: int
    """Of these, how many are the same to the last bit, or undefined in both."""
    only_before: int
    """Places that only the first run has."""
    only_after: int
    """Places that only the second run has."""
    defined_once: int
    """Places that have a value in one run and none in the other."""
    largest: float | None = None
    """The largest difference of two values, in the metric's unit; None where no two were both
    defined."""
    relative: float | None = None
    """The same over the root mean square of the first run's values; None where that is 0."""
    where: str = ""
    """Model, prompt and place of that difference; empty where nothing moved."""

    @property
    def is_same(self) -> bool:
        """Whether nothing moved at all."""
        return self.same == self.values and not self.only_before and not self.only_after


def moved(before: Run, after: Run) -> list[Moved]:
    """Return for each metric that both runs have what became of its values.

    Memory is that of one metric of both.

    Raises:
        CorruptRunError: if measurements of one are not whole.
    """
    names = [name for name in before.manifest.metrics if name in after.manifest.metrics]
    return [_moved(name, _rows(before, name), _rows(after, name)) for name in names]


def _rows(run: Run, metric: str) -> pd.DataFrame:
    table = run.measurements_table(metrics=[metric], controls=True, steps=True)
    return to_frame(table.select([*_KEYS, "value"]))


def _moved(metric: str, before: pd.DataFrame, after: pd.DataFrame) -> Moved:
    if before[_KEYS].equals(after[_KEYS]):
        both = before.assign(value_after=after["value"])
        lost = gained = 0
    else:
        # Missing parts of a place, such as the head of a layer's value, are equal to each other.
        both = before.merge(after, how="outer", on=_KEYS, suffixes=("", "_after"), indicator=True)
        lost, gained = (int((both["_merge"] == own).sum()) for own in ("left_only", "right_only"))
        both = both[both["_merge"] == "both"]
    old, new = (both[name].to_numpy(dtype="float64") for name in ("value", "value_after"))
    no_old, no_new = np.isnan(old), np.isnan(new)
    known = ~(no_old | no_new)
    same = (no_old & no_new) | (old.view("int64") == new.view("int64"))
    found = Moved(
        metric=metric,
        values=len(both),
        same=int(same.sum()),
        only_before=lost,
        only_after=gained,
        defined_once=int((no_old ^ no_new).sum()),
    )
    if not known.any():
        return found
    apart = np.where(known, np.abs(new - old), -1.0)
    place = int(np.argmax(apart))
    size = float(np.sqrt(np.mean(old[known] ** 2)))
    return replace(
        found,
        largest=float(apart[place]),
        relative=float(apart[place]) / size if size else None,
        where=_place(both.iloc[place]) if apart[place] else "",
    )


def _place(row: pd.Series[Any]) -> str:
    """Return where a value is, such as `small, sum-001, decoder, layer 3, head 2`."""
    known = row.dropna()
    names = [str(known[key]) for key in ("model", "prompt_id", "stack") if key in known]
    numbers = [f"{key} {int(known[key])}" for key in _KEYS[4:] if key in known]
    return ", ".join([*names, *numbers])
