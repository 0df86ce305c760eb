"""Which task has the highest value of each metric, and whether that outlives length control."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import STANDARDISED, bounds_of, scopes, unknown
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import highest_task, leading_task, units_of
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Leaders"]

_Row = dict[Any, Any]


class Leaders(Step):
    """Whether a task leads; differences of all models are in standard deviations."""

    name = "leaders"
    holds = "the task with the highest mean, and whether that outlives length control"
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope and form (raw, adjusted).

        `task` has the highest raw mean, `other` is the best of the others; `holds` says whether the
        interval of their difference leaves out 0 on the right side, None where that is open.
        """
        import pandas as pd

        found = threaded(lambda own: _rows(*own), list(scopes(of.close)))
        return pd.DataFrame(chain.from_iterable(found))

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each metric whether the highest task is clear, and with length controlled."""
        leaders = of.table(self.name)
        several = (leaders["scope"] == STANDARDISED).any()
        chosen = leaders[leaders["scope"] == STANDARDISED] if several else leaders
        for (metric, scope), own in chosen.groupby(["metric", "scope"], sort=False):
            name = f"{metric}, {scope}"
            rows = {row["form"]: row for row in own.to_dict("records")}
            raw, adjusted = rows["raw"], rows["adjusted"]
            if unknown(raw["low"]):
                yield f"{name}: which task is highest cannot be told ({raw['reason']})."
                continue
            first = f"{name}: highest in {raw['task']}"
            if raw["holds"] is not True:
                yield f"{name}: which task is highest is open ({raw['task']} {_difference(raw)})."
            elif unknown(adjusted["low"]):
                yield (
                    f"{first} raw ({_difference(raw)}); whether that survives length control "
                    f"cannot be told ({adjusted['reason']})."
                )
            elif adjusted["holds"] is True:
                yield (
                    f"{first} ({_difference(raw)}), with length controlled too "
                    f"({_difference(adjusted)})."
                )
            else:
                yield (
                    f"{first} raw ({_difference(raw)}); that does not survive length control "
                    f"({_difference(adjusted)})."
                )


def _difference(row: _Row) -> str:
    unit = " sd" if row["scope"] == STANDARDISED else ""
    return (
        f"{row['difference']:+.3g}{unit} [{row['low']:.3g}, {row['high']:.3g}] against "
        f"{row['other']}, n = {row['n']}"
    )


def _rows(metric: str, scope: str, frame: pd.DataFrame) -> list[_Row]:
    rows: list[_Row] = []
    units = units_of(frame)
    task = leading_task(units)
    if task is None:
        return rows
    for form in ("raw", "adjusted"):
        found = highest_task(units, task, adjusted=form == "adjusted", bounds=bounds_of(frame))
        rows.append(
            {
                "metric": metric,
                "scope": scope,
                "task": task,
                "form": form,
                "other": found.other,
                "difference": found.difference.value,
                "low": found.difference.low,
                "high": found.difference.high,
                "holds": found.holds,
                "n": found.difference.n,
                "method": found.difference.method,
                "reason": found.reason,
                "caution": found.difference.caution,
            }
        )
    return rows
