"""A drawn brain for each task, coloured by the regions that a metaphor gives a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cortexscope.document import Area, Brain, Figure
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METAPHOR", "BrainView", "build", "layers_text"]

METAPHOR = (
    "A metaphor: no part of a language model is a brain area, and a name here says no more than "
    "the metric and the layers behind it."
)
_FORMS = {"raw": "as measured", "adjusted": "at equal lengths"}
_SCALE = "Standard deviations over prompts, from the mean of the tasks"


@dataclass(frozen=True, slots=True)
class BrainView:
    """A panel a task: how far its mean of each region lies from the mean of the tasks."""

    model: str | None = None
    """The first with a region where None."""
    tasks: tuple[str, ...] = ()
    """Only these, all where there are none."""
    form: Literal["raw", "adjusted"] = "raw"
    """Whether means are as measured or at equal lengths."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; one without regions gets no figure and no note."""
        panels: tuple[Brain, ...] = ()
        notes: tuple[str, ...] = ()
        caption, finding = METAPHOR, ""
        rows = self._rows(frames)
        if len(rows):
            model = str(rows["model"].iloc[0])
            notes = (*stacks_note([m for m in frames.many_stacked if m == model]), *_missing(rows))
            if len(frames.tasks) < 2:
                notes = ("Brains compare tasks, and the run has one.",)
            else:
                panels = _panels(rows, [t for t in frames.tasks if t in (self.tasks or (t,))])
                caption = f"{METAPHOR} {self._caption(rows, plain(model))}"
                finding = _finding(rows, labels)
        return Figure(
            key="brain",
            title="The brain view, a metaphor",
            caption=caption,
            panels=panels,
            columns=3,
            notes=notes,
            finding=finding,
            steps=True,
        )

    def _rows(self, frames: RunFrames) -> pd.DataFrame:
        """Return the rows of the table of regions that are drawn."""
        found = frames.analysis.table("regions")
        if not len(found):
            return found
        known = found[found["mean"].notna()]
        model = self.model or str(known["model"].iloc[0])
        return found[(found["model"] == model) & (found["form"] == self.form)]

    def _caption(self, rows: pd.DataFrame, model: str) -> str:
        counts = rows.loc[rows["n"] > 0, "n"]
        n = f"{counts.min()}" if counts.nunique() < 2 else f"{counts.min()} to {counts.max()}"
        method = rows["method"].dropna().mode()
        how = f" ({method.iloc[0]})" if len(method) else ""
        return (
            f"Each region is one metric over a band of the layers of {model}; where it is drawn "
            "says nothing of the model. Colour and number: how far the mean of the task's prompts "
            f"lies from the mean of the tasks, {_FORMS[self.form]}, in standard deviations over "
            f"prompts; n = {n} prompts a task. Pointing at a region tells its mean with the 95 % "
            f"interval{how}. What has a dashed edge lies inside; grey is no region."
        )


build = BrainView()


def layers_text(row: Mapping[Any, Any]) -> str:
    """Return which layers a region of a model is made of."""
    first, last = row["first_layer"], row["last_layer"]
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def _panels(rows: pd.DataFrame, tasks: list[str]) -> tuple[Brain, ...]:
    from cortexscope.analysis import REGIONS

    regions = {region.key: region for region in REGIONS}
    far = rows["z"].abs().max()
    reach = max(1.0, math.ceil(2 * far) / 2) if math.isfinite(far) else 1.0
    panels = []
    for task in tasks:
        areas = []
        for row in rows[rows["task"] == task].to_dict("records"):
            region = regions[row["region"]]
            known = math.isfinite(row["mean"])
            told = f"{row['metric']}, {region.formula}"
            areas.append(
                Area(
                    key=region.key,
                    label=region.title,
                    shade=row["z"],
                    value=row["mean"],
                    low=row["low"],
                    high=row["high"],
                    n=row["n"],
                    told=f"{told} ({layers_text(row)})" if known else str(row["reason"]),
                )
            )
        if areas:
            panels.append(Brain(task_title(task), tuple(areas), reach, _SCALE))
    return tuple(panels)


def _missing(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return why regions have no value, a sentence a region."""
    from cortexscope.analysis import REGIONS

    titles = {region.key: region.title for region in REGIONS}
    gone = rows[rows["mean"].isna() & rows["reason"].notna()]
    said = (f"{titles[row['region']]}: {row['reason']}." for row in gone.to_dict("records"))
    return tuple(dict.fromkeys(said))


def _finding(rows: pd.DataFrame, labels: Labels) -> str:
    from cortexscope.analysis import REGIONS

    known = rows[rows["z"].notna()]
    if not len(known):
        return ""
    row = max(known.to_dict("records"), key=lambda own: abs(own["z"]))
    title = next(region.title for region in REGIONS if region.key == row["region"])
    title = title if "'" in title else title.lower()
    mean = known.loc[known["region"] == row["region"], "mean"].mean()
    ends = f" [{row['low']:.3g}, {row['high']:.3g}]" if math.isfinite(row["low"]) else ""
    return (
        f"In {plain(row['model'])} the strongest of {len(known)} colours is that of "
        f"{task_title(row['task'])} in the {title}: "
        f"{labels.title(row['metric']).lower()} of {layers_text(row)} is {row['mean']:.3g}{ends}, "
        f"and {mean:.3g} on average over the tasks ({row['z']:+.1f} standard deviations over "
        f"prompts, n = {row['n']})."
    )
