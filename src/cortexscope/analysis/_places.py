"""Where in a model tasks are compared: the highest task and the next, by layer and head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from cortexscope.analysis._frames import of_metrics, of_model
from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis._values import head_values, without_controls

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Place", "contrasted", "places"]


class Place(NamedTuple):
    """The two tasks that are compared in the layers of a model."""

    metric: str
    model: str
    task: str
    """That with the highest raw mean."""
    other: str
    """The best of the others."""
    values: pd.DataFrame
    """As `head_values` gives them, without controls."""


def places(of: Analysis, *, heads: bool = False) -> Iterator[Place]:
    """Yield what is compared, of each metric in focus and model.

    Args:
        of: whose table `leaders` says which tasks.
        heads: only where the metric has heads.
    """
    leaders = of.table("leaders")
    if leaders.empty:
        return
    axis = "head" if heads else "layer"
    raw = leaders[(leaders["form"] == "raw") & leaders["other"].notna()]
    rows = raw[raw["scope"].isin(of.measured.labels)].to_dict("records")
    for row in rows:
        metric, model = str(row["metric"]), str(row["scope"])
        if axis in of.measured.specs[metric].axes:
            values = head_values(of.measured, [metric], models=[model])
            yield Place(metric, model, row["task"], row["other"], without_controls(values))


def contrasted(
    of: Analysis,
    name: str,
    contrasts: Callable[..., pd.DataFrame],
    values: Callable[[Place], pd.DataFrame],
    *,
    heads: bool = False,
) -> pd.DataFrame:
    """Return the highest task of each place against the best other, a row a layer or head.

    Args:
        of: whose places are compared.
        name: of the table, whose random numbers are drawn.
        contrasts: of `stats`: `layer_contrasts` or `map_contrasts`.
        values: gives what they take of a place.
        heads: only where the metric has heads.
    """
    tables = []
    for place in places(of, heads=heads):
        found = contrasts(
            values(place),
            place.task,
            place.other,
            by="task",
            rng=of.stream(name, place.metric, place.model),
            permutations=of.settings.permutations,
            bounds=bounds_of(place.values),
        )
        tables.append((place.metric, of_model(found, place.model)))
    return of_metrics(tables)
