"""How far each task lies from the others, as measured and at one length, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cortexscope.document import Figure, Range, Ranges
from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import chosen, counted, number, sentence, subject

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TaskMeans", "build"]

_FORMS = {"raw": "as measured", "adjusted": "at equal lengths"}
_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)


_CAPTION = (
    "The mean over a task's prompts less the mean of all tasks' means, each form about its own, "
    "with the 95 % interval of the task's mean (the farther ends of Student's t and Hall's "
    "transformation; at equal lengths HC2 errors), moved with it. At equal lengths: as a natural "
    "spline in log tokens, fitted beside the tasks, has it for prompts of one length. Where the "
    "two forms agree, length does not explain how tasks differ; where those at equal lengths "
    "shrink to the line, it does. "
)


@dataclass(frozen=True, slots=True)
class TaskMeans:
    """A panel a metric and model: each task's distance from the mean task, raw and adjusted."""

    metrics: tuple[str, ...] = _PAIR
    tasks: tuple[str, ...] = ()
    """Only these, all where empty; the mean is that of all."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        panels: list[Ranges] = []
        notes = list(stacks_note(frames.many_stacked))
        spans: list[str] = []
        for metric in self.metrics if len(frames.tasks) > 1 else ():
            empty = []
            for model in frames.labels:
                made = self._panel(frames, labels, metric, model)
                if made is None:
                    empty.append(model)
                else:
                    panels.append(made.panel)
                    notes += made.why
                    spans.append(made.span)
            if empty:
                notes.extend(absence(frames, labels, metric, empty))
        name = subject(labels, self.metrics, _PAIR, "Attention entropy")
        return Figure(
            key="task_means",
            title=f"{name} of the tasks, less their mean, as measured and at equal lengths",
            caption=_CAPTION + counted(frames, self.tasks),
            panels=tuple(panels),
            notes=tuple(dict.fromkeys(notes)),
            finding=sentence([own for own in spans if own]),
        )

    def _panel(self, frames: RunFrames, labels: Labels, metric: str, model: str) -> _Made | None:
        found = means_of(frames, metric)
        if len(found):
            found = found[(found["metric"] == metric) & (found["scope"] == model)]
        if not len(found):
            return None
        why = [
            f"{labels.title(metric)}, {plain(model)}, {_FORMS[str(form)]}: {reason}."
            for form, reason in found.loc[found["reason"].notna(), ["form", "reason"]].to_numpy()
        ]
        tasks = chosen(frames, self.tasks)
        ranges, spans = [], {}
        for slot, (form, label) in enumerate(_FORMS.items()):
            own = found[found["form"] == form].set_index("task")
            middle = own["mean"].mean()
            own = own.reindex(list(tasks))
            x, low, high = (
                own[name].to_numpy(dtype=np.float64) - middle for name in ("mean", "low", "high")
            )
            if np.isfinite(x).any():
                ranges.append(Range(label, slot, x, low, high))
                spans[form] = float(np.nanmax(x) - np.nanmin(x))
        panel = Ranges(
            title=f"{labels.title(metric)}, {plain(model)}",
            x_title=f"Less the tasks' mean ({labels.unit(metric) or 'no unit'})",
            rows=tuple(task_title(task) for task in tasks),
            ranges=tuple(ranges),
            line=0.0,
        )
        return _Made(panel, why, _span(panel.title, spans))


build = TaskMeans()


class _Made(NamedTuple):
    panel: Ranges
    why: list[str]
    span: str


def means_of(frames: RunFrames, metric: str) -> pd.DataFrame:
    """Return the analysis's means of tasks, also of a metric that it does not look at closely."""
    analysis = frames.analysis
    if metric not in analysis.focus:
        from cortexscope.analysis import Analysis, metrics_with_values

        if metric in metrics_with_values(frames.measured):
            analysis = Analysis(frames.measured, metrics=[metric], settings=analysis.settings)
    return analysis.table("means")


def _span(title: str, spans: dict[str, float]) -> str:
    if "raw" not in spans:
        return ""
    said = f"{title}: tasks lie up to {number(spans['raw'])} apart as measured"
    return (
        f"{said} and {number(spans['adjusted'])} at equal lengths" if "adjusted" in spans else said
    )
