"""A drawn brain for each model and task, coloured by the regions that a metaphor gives a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import pandas as pd

from cortexscope.document import Area, Brain, Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, lowered, plain, task_title
from cortexscope.report._stacks import stacks_note

__all__ = ["METAPHOR", "BrainView", "build", "layers_text", "reach_of"]

METAPHOR = (
    "A metaphor: no part of a language model is a brain area, and a name here says no more than "
    "the metric and the layers behind it."
)
_LOST = {"mlp": "the MLP", "attention": "attention", "layers": "the layer"}
_FORMS = {"raw": "as measured", "adjusted": "at equal lengths"}
_SCALE = "Standard deviations over prompts, from the mean of the tasks"


@dataclass(frozen=True, slots=True)
class BrainView:
    """A panel a model and task: how far its mean of each region lies from the mean of the tasks."""

    model: str | None = None
    """Each one after the other where None."""
    tasks: tuple[str, ...] = ()
    """Only these, all where there are none."""
    form: Literal["raw", "adjusted"] = "raw"
    """Whether means are as measured or at equal lengths."""
    most: int = 36
    """Panels drawn; of several models, whole ones."""
    table: Literal["regions", "region_needs"] = "regions"
    """Whether what is seen of a region colours it, or what is lost without it."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without regions gets no figure and no note."""
        panels: tuple[Brain, ...] = ()
        notes: tuple[str, ...] = ()
        caption, finding = METAPHOR, ""
        rows = self._rows(frames)
        if len(rows):
            models = list(rows["model"].unique())
            notes = (*stacks_note([m for m in frames.many_stacked if m in models]), *_missing(rows))
            if len(frames.tasks) < 2:
                notes = ("Brains compare tasks, and the run has one.",)
            else:
                tasks = [task for task in frames.tasks if task in (self.tasks or (task,))]
                shown = models[: max(1, self.most // len(tasks))]
                if left := len(models) - len(shown):
                    more = f"{left} model{'s' * (left > 1)} more: see stats/regions.csv."
                    notes += (more,)
                rows = rows[rows["model"].isin(shown)]
                panels = _panels(rows, shown, tasks, labels)
                caption = f"{METAPHOR} {self._caption(rows, shown)}"
                finding = _finding(rows, labels)
        return Figure(
            key="brain" if self.table == "regions" else "brain_need",
            title=f"The brain view{' by need' * (self.table != 'regions')}, a metaphor",
            caption=caption,
            panels=panels,
            columns=3 if rows["model"].nunique() < 2 else 4,
            notes=notes,
            finding=finding,
            steps=True,
        )

    def _rows(self, frames: RunFrames) -> pd.DataFrame:
        """Return the rows of the table of regions that are drawn: of models that have some."""
        if self.table not in frames.analysis.names:
            return pd.DataFrame(columns=["model"])
        found = frames.analysis.table(self.table)
        if not len(found):
            return found.reindex(columns=["model"])
        known = [self.model] if self.model else found.loc[found["mean"].notna(), "model"].unique()
        return found[found["model"].isin(known) & (found["form"] == self.form)]

    def _caption(self, rows: pd.DataFrame, models: list[str]) -> str:
        counts = rows.loc[rows["n"] > 0, "n"]
        n = f"{counts.min()}" if counts.nunique() < 2 else f"{counts.min()} to {counts.max()}"
        method = rows["method"].dropna().mode()
        how = f" ({method.iloc[0]})" if len(method) else ""
        of = plain(models[0]) if len(models) == 1 else "a model"
        what = "one metric over"
        if self.table == "region_needs":
            what = (
                "what is lost, in bits per byte, without one kind of part, taken out one by one, of"
            )
        return (
            f"Each region is {what} a band of the layers of {of}; where it is drawn "
            "says nothing of the model. Colour and number: how far the mean of the task's prompts "
            f"lies from the mean of the model's tasks, {_FORMS[self.form]}, in standard deviations "
            f"over its prompts; n = {n} prompts a task. Pointing at a region tells its mean with "
            f"the 95 % interval{how}. What has a dashed edge lies inside; grey is no region."
        )


build = BrainView()


def layers_text(row: Mapping[Any, Any]) -> str:
    """Return which layers a region of a model is made of."""
    first, last = row["first_layer"], row["last_layer"]
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def reach_of(shades: pd.Series[float]) -> float:
    """Return how far the colours go: 1 at least, in halves."""
    far = shades.abs().max()
    return max(1.0, math.ceil(2 * far) / 2) if math.isfinite(far) else 1.0


def _panels(
    rows: pd.DataFrame, models: list[str], tasks: list[str], labels: Labels
) -> tuple[Brain, ...]:
    reach = reach_of(rows["z"])
    panels = []
    for model, task in product(models, tasks):
        own = rows[(rows["model"] == model) & (rows["task"] == task)]
        if areas := tuple(_area(row, labels) for row in own.to_dict("records")):
            of = f"{plain(model)}, " if len(models) > 1 else ""
            panels.append(Brain(f"{of}{task_title(task)}", areas, reach, _SCALE))
    return tuple(panels)


def _area(row: Mapping[Any, Any], labels: Labels) -> Area:
    from cortexscope.analysis import REGIONS

    region = next(own for own in REGIONS if own.key == row["region"])
    known = math.isfinite(row["mean"])
    told = f"{_subject(row['metric'], labels)}, {region.formula}"
    return Area(
        key=region.key,
        label=region.title,
        shade=row["z"],
        value=row["mean"],
        low=row["low"],
        high=row["high"],
        n=row["n"],
        told=f"{told} ({layers_text(row)})" if known else str(row["reason"]),
    )


def _subject(metric: str, labels: Labels) -> str:
    """Return what a region's numbers are of: a metric, or what is lost without a kind of part."""
    return (
        f"Bits per byte lost without {_LOST[metric]}" if metric in _LOST else labels.title(metric)
    )


def _missing(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return why regions have no value, a sentence a region and model."""
    from cortexscope.analysis import REGIONS

    titles = {region.key: region.title for region in REGIONS}
    gone = rows[rows["mean"].isna() & rows["reason"].notna()]
    many = rows["model"].nunique() > 1
    said = []
    for row in gone.to_dict("records"):
        of = f" of {plain(row['model'])}" if many else ""
        said.append(f"{titles[row['region']]}{of}: {row['reason']}.")
    return tuple(dict.fromkeys(said))


def _finding(rows: pd.DataFrame, labels: Labels) -> str:
    from cortexscope.analysis import REGIONS

    known = rows[rows["z"].notna()]
    if not len(known):
        return ""
    row = max(known.to_dict("records"), key=lambda own: abs(own["z"]))
    where = next(region.phrase for region in REGIONS if region.key == row["region"])
    alike = (known["model"] == row["model"]) & (known["region"] == row["region"])
    mean = known.loc[alike, "mean"].mean()
    colours = (known["model"] == row["model"]).sum()
    ends = f" [{row['low']:.3g}, {row['high']:.3g}]" if math.isfinite(row["low"]) else ""
    return (
        f"In {plain(row['model'])} the strongest of {colours} colours is that of "
        f"{task_title(row['task'])} in {where}: "
        f"{lowered(_subject(row['metric'], labels))} of {layers_text(row)} is {row['mean']:.3g}"
        f"{ends}, and {mean:.3g} on average over the tasks ({row['z']:+.1f} standard deviations "
        f"over prompts, n = {row['n']})."
    )
