"""Rows of a sheet with why their cells are undefined, and the columns that sheets share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cortexscope.document import Column, Part, Table
from cortexscope.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.report._frames import RunFrames
    from cortexscope.report._labels import Labels

__all__ = [
    "DIGITS",
    "Measure",
    "Rows",
    "absent",
    "ends",
    "estimated",
    "known",
    "measures_of",
    "model_means",
    "number",
    "why_missing",
]

DIGITS = 4
"""Digits of a number that are shown; all are in the cell."""

Row = dict[str, object]


def number(name: str, graded: Literal["", "high", "zero"] = "", note: str = "") -> Column:
    """Return a column of numbers by their first digits: metrics lie decades apart."""
    return Column(name, "number", digits=DIGITS, graded=graded, note=note)


def ends(name: str, unit: str = "") -> tuple[str, str]:
    """Return what the two ends of an interval are called."""
    of = f" ({unit})" if unit else ""
    return f"{name}, low 95 %{of}", f"{name}, high 95 %{of}"


class Measure(NamedTuple):
    """A metric as three columns: its mean and the ends of its interval."""

    metric: str
    mean: str
    low: str
    high: str

    def columns(self, labels: Labels, graded: Literal["", "high", "zero"]) -> tuple[Column, ...]:
        """Return the three columns, with the metric's definition at the first."""
        spec = labels.specs.get(self.metric)
        note = f"{self.metric}: {spec.definition}" if spec else self.metric
        return number(self.mean, graded, note), number(self.low), number(self.high)


def measures_of(frames: RunFrames, labels: Labels, unit: str | None = None) -> tuple[Measure, ...]:
    """Return the metrics that are looked at closely, with names of columns that no two share.

    Args:
        frames: of the run.
        labels: of its metrics.
        unit: of all of them, that of each where None.
    """
    titles = [labels.title(metric) for metric in frames.analysis.focus]
    made = []
    for metric, title in zip(frames.analysis.focus, titles, strict=True):
        named = title if titles.count(title) == 1 else f"{title} [{metric}]"
        own = labels.unit(metric) if unit is None else unit
        made.append(Measure(metric, f"{named} ({own})" if own else named, *ends(named, own)))
    return tuple(made)


def known(value: object) -> bool:
    """Return whether a cell of a table of statistics is defined."""
    return value is not None and value == value


class Rows:
    """Rows that are added one by one."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._reasons: dict[tuple[int, str], str] = {}

    def add(self, row: Row, why: Mapping[str, str] | None = None) -> None:
        """Add a row, and why some of its cells are undefined; other cells need no reason."""
        place = len(self._rows)
        for name, reason in (why or {}).items():
            if not known(row.get(name)) and reason:
                self._reasons[place, name] = reason.rstrip(".")
        self._rows.append(row)

    def part(self, columns: Sequence[Column], within: tuple[str, ...] = ()) -> Part:
        """Return the rows as a part of a table."""
        import pandas as pd

        names = [column.name for column in columns]
        frame = pd.DataFrame(self._rows, columns=names, dtype=object)
        return Part(frame, tuple(columns), reasons=self._reasons, within=within)


def absent(key: str, title: str, why: str) -> Table:
    """Return a sheet that the run has nothing for."""
    return Table(key=key, title=title, parts=(Part.of(["Nothing"], []),), notes=(why,))


def estimated(
    names: Sequence[str], row: Mapping[Any, Any], why: str = ""
) -> tuple[Row, dict[str, str]]:
    """Return three cells of a row of statistics (mean or difference, low, high), and why not.

    Args:
        names: of the three columns.
        row: with `value`, `mean` or `difference`, with `low` and `high`, and with `reason`.
        why: the metric is undefined, where that is known better than by the statistics.
    """
    first = next(name for name in ("value", "mean", "difference") if name in row)
    cells = dict(zip(names, (row[first], row["low"], row["high"]), strict=True))
    reason = str(row["reason"]) if known(row["reason"]) else ""
    if why and not known(row[first]):
        reason = why
    return cells, dict.fromkeys(names, reason or "not measured")


def why_missing(frames: RunFrames, model: str, metric: str) -> str:
    """Return why a model has no value of a metric; empty where that is not known."""
    if not frames.stacks_of(model):
        return "the model has no measurement"
    # All at once: each is read from the files only the first time.
    missing = frames.primary_missing([*frames.analysis.focus, metric])
    own = missing[(missing["model"] == model) & (missing["metric"] == metric)]
    return "; ".join(dict.fromkeys(map(str, own["reason"])))


def model_means(
    frames: RunFrames, labels: Labels, metrics: Iterable[str]
) -> dict[tuple[str, str], Estimate]:
    """Return the mean over prompts of each model and metric, as Table 7 has it.

    Those without a row are left out.
    """
    from cortexscope.stats import mean_of

    names = list(metrics)
    values: pd.DataFrame = frames.values(names)
    return {
        (str(model), str(metric)): mean_of(
            own.to_numpy(dtype="float64"), bounds=labels.bounds(str(metric))
        )
        for (model, metric), own in values.groupby(["model", "metric"], sort=False)["value"]
    }
