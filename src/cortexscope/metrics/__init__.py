"""The metrics: one class a quantity, one row in its group's table, more by entry point or file.

Who writes a metric finds all that it takes here: the classes to inherit from, the spec, and what a
metric is shown. They are imported when they are used, since they need torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.metrics._headline import FAIR, HEADLINE, STUDY
from cortexscope.metrics._table import GROUPS, METRICS
from cortexscope.metrics.base.options import MetricOptions
from cortexscope.metrics.base.plugins import from_file, load_plugin, origins
from cortexscope.records import MetricSpec, Site
from cortexscope.registry import suggestion

if TYPE_CHECKING:
    from cortexscope.metrics.base.means import (
        MeanOverNeurons,
        MeanOverRoutes,
        MeanOverRows,
        MeanOverSampledRows,
        MeanOverStates,
        MeanOverUpdates,
    )
    from cortexscope.metrics.base.metric import Layout, Metric, Values
    from cortexscope.metrics.base.pooled import (
        MEAN_STATE,
        UNIT_SUM,
        UNIT_SUM_REST,
        OverPrompts,
        OverPromptsOfLayer,
        Pool,
    )
    from cortexscope.metrics.base.states import State, add, total
    from cortexscope.taps import (
        AttentionRows,
        AttentionSample,
        HiddenStates,
        Neurons,
        Routing,
        Seen,
        Update,
    )

__all__ = [
    "ALL",
    "DEFAULT",
    "FAIR",
    "GROUPS",
    "HEADLINE",
    "METRICS",
    "STUDY",
    "AttentionRows",
    "AttentionSample",
    "HiddenStates",
    "Layout",
    "MeanOverNeurons",
    "MeanOverRoutes",
    "MeanOverRows",
    "MeanOverSampledRows",
    "MeanOverStates",
    "MeanOverUpdates",
    "Metric",
    "MetricOptions",
    "MetricSpec",
    "Neurons",
    "Routing",
    "Seen",
    "Site",
    "State",
    "Update",
    "Values",
    "add",
    "load_plugin",
    "make_metrics",
    "metric_names",
    "metric_specs",
    "origins",
    "total",
    "MEAN_STATE",
    "UNIT_SUM",
    "UNIT_SUM_REST",
    "OverPrompts",
    "OverPromptsOfLayer",
    "Pool",
]

_HOMES = {
    "cortexscope.metrics.base.means": (
        "MeanOverNeurons",
        "MeanOverRoutes",
        "MeanOverRows",
        "MeanOverSampledRows",
        "MeanOverStates",
        "MeanOverUpdates",
    ),
    "cortexscope.metrics.base.metric": ("Layout", "Metric", "Values"),
    "cortexscope.metrics.base.pooled": (
        "MEAN_STATE",
        "UNIT_SUM",
        "UNIT_SUM_REST",
        "OverPrompts",
        "OverPromptsOfLayer",
        "Pool",
    ),
    "cortexscope.metrics.base.states": ("State", "add", "total"),
    "cortexscope.taps": (
        "AttentionRows",
        "AttentionSample",
        "HiddenStates",
        "Neurons",
        "Routing",
        "Seen",
        "Update",
    ),
}

DEFAULT = "default"
"""Stands for all metrics of low cost where a metric is asked for."""

ALL = "all"
"""Stands for every metric."""


def metric_names(
    asked: Sequence[str] | None = None, *, plugins: Sequence[Path | str] = ()
) -> list[str]:
    """Return the names asked for, in the table's order and once each.

    Args:
        asked: names of metrics and of groups, `default` or `all`; where None, the default panel
            and the metrics of `plugins`.
        plugins: files with metrics of the user's own, loaded first.

    Raises:
        UnknownNameError: for a name that is in no table, with the nearest ones.
        UsageError: if a file does not give metrics.
    """
    own = [name for path in plugins for name in load_plugin(path)]
    known = METRICS.names()
    wanted: set[str] = set()
    for name in [DEFAULT, *own] if asked is None else asked:
        if name in known:
            wanted.add(name)
        elif name == ALL:
            wanted.update(known)
        elif name == DEFAULT:
            # What a file gave belongs to no default: it would depend on what was loaded before.
            low = (spec.name for spec in _specs() if spec.cost == "low")
            wanted.update(name for name in low if not from_file(name))
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
    return [_class(name).spec for name in METRICS.names()]


def _class(name: str) -> type[Metric]:
    kind: type[Metric] = METRICS.load(name)
    said = getattr(getattr(kind, "spec", None), "name", None)
    if said != name:
        raise UsageError(
            f"The metric {name!r} of {METRICS.origin(name)} is called {said!r} in its spec; "
            "its package must offer it by that name."
        )
    return kind


def metric_specs(names: Sequence[str] | None = None) -> list[MetricSpec]:
    """Return what the metrics of these names are; the default panel where None."""
    return [_class(name).spec for name in metric_names(names)]


def make_metrics(names: Sequence[str], options: MetricOptions) -> list[Metric]:
    """Return the metrics of these names with the options set."""
    return [_class(name)(options) for name in names]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
