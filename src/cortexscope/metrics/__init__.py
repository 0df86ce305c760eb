"""The metrics: one class a quantity, one row in its group's table, more by entry point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cortexscope.errors import UnknownNameError
from cortexscope.metrics._options import MetricOptions
from cortexscope.metrics._table import GROUPS, METRICS
from cortexscope.registry import suggestion

if TYPE_CHECKING:
    from cortexscope.metrics._metric import Metric
    from cortexscope.records import MetricSpec

__all__ = [
    "ALL",
    "DEFAULT",
    "METRICS",
    "MetricOptions",
    "make_metrics",
    "metric_names",
    "metric_specs",
]

DEFAULT = "default"
"""Stands for all metrics of low cost where a metric is asked for."""

ALL = "all"
"""Stands for every metric."""


def metric_names(asked: Sequence[str] | None = None) -> list[str]:
    """Return the names asked for, in the table's order and once each.

    Args:
        asked: names of metrics and of groups, `default` or `all`; the default panel where None.

    Raises:
        UnknownNameError: for a name that is in no table, with the nearest ones.
    """
    known = METRICS.names()
    wanted: set[str] = set()
    for name in [DEFAULT] if asked is None else asked:
        if name in known:
            wanted.add(name)
        elif name == ALL:
            wanted.update(known)
        elif name == DEFAULT:
            wanted.update(spec.name for spec in _specs() if spec.cost == "low")
        else:
            group = {spec.name for spec in _specs() if spec.group == name}
            if not group:
                every = [*known, *GROUPS, DEFAULT, ALL]
                raise UnknownNameError(
                    f"There is no metric {name!r}; "
                    + suggestion(name, every, listed_by="cortexscope metrics list")
                )
            wanted |= group
    return [name for name in known if name in wanted]


def _specs() -> list[MetricSpec]:
    return [METRICS.load(name).spec for name in METRICS.names()]


def metric_specs(names: Sequence[str] | None = None) -> list[MetricSpec]:
    """Return what the metrics of these names are; the default panel where None."""
    return [METRICS.load(name).spec for name in metric_names(names)]


def make_metrics(names: Sequence[str], options: MetricOptions) -> list[Metric]:
    """Return the metrics of these names with the options set."""
    return [METRICS.load(name)(options) for name in names]
