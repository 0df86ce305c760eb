"""Tables of where in a model tasks differ: the highest task and the next, by layer and head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from cortexscope.analysis._frames import of_metrics, of_model, stacked
from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis._values import head_values, without_controls
from cortexscope.analysis.tables._step import Step
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Place", "PlaceStep"]


class Place(NamedTuple):
    """The two tasks that are compared in the layers of a model."""

    metric: str
    model: str
    task: str
    """That with the highest raw mean."""
    other: str
    """The best of the others."""
    values: pd.DataFrame
    """As `head_values` gives them, without controls; texts are categories in their order."""


class PlaceStep(Step):
    """A table that is made a metric and model at a time, of the values of layers or heads.

    These are the most that is read of a run, so that they are read once for all such tables.
    """

    of_focus = True
    heads: ClassVar[bool] = False
    """Whether it is only of metrics that have heads."""

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return what is made of each metric in focus and model."""
        return of.once("places", lambda: _of_places(of))[self.name]

    @abstractmethod
    def of_place(self, of: Analysis, place: Place) -> pd.DataFrame:
        """Return the rows of a metric and model."""

    def contrasted(
        self,
        of: Analysis,
        place: Place,
        contrasts: Callable[..., pd.DataFrame],
        values: pd.DataFrame,
    ) -> pd.DataFrame:
        """Return the highest task against the best other, a row a layer or head.

        Args:
            of: whose settings and random numbers are used.
            place: whose tasks are compared.
            contrasts: of `stats`: `layer_contrasts` or `map_contrasts`.
            values: what they take, of this place.
        """
        return contrasts(
            values,
            place.task,
            place.other,
            by="task",
            rng=of.stream(self.name, place.metric, place.model),
            permutations=of.settings.permutations,
            bounds=bounds_of(place.values),
        )


def _of_places(of: Analysis) -> Mapping[str, pd.DataFrame]:
    """Return each table that is made of places, by name."""
    steps = [step() for step in PlaceStep.__subclasses__()]
    leaders = of.table("leaders")
    if leaders.empty:
        return {step.name: stacked([]) for step in steps}
    raw = leaders[(leaders["form"] == "raw") & leaders["other"].notna()]
    axes = {metric: of.measured.specs[metric].axes for metric in of.focus}
    rows = [
        row
        for row in raw[raw["scope"].isin(of.measured.labels)].to_dict("records")
        if "layer" in axes[row["metric"]]
    ]

    def made(row: Mapping[Hashable, str]) -> dict[str, tuple[str, pd.DataFrame]]:
        metric, model = row["metric"], row["scope"]
        values = of.groups.put(without_controls(head_values(of.measured, [metric], models=[model])))
        place = Place(metric, model, row["task"], row["other"], values)
        return {
            step.name: (metric, of_model(step.of_place(of, place), model))
            for step in steps
            if not step.heads or "head" in axes[metric]
        }

    every = list(threaded(made, rows))
    return {
        step.name: of_metrics([own[step.name] for own in every if step.name in own])
        for step in steps
    }
