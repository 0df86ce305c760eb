"""The tasks' means as they are, and as they would be at one length, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, Range, Ranges
from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence

__all__ = ["TaskMeans", "build"]

_FORMS = {"raw": "as measured", "adjusted": "at equal lengths"}


_CAPTION = (
    "The mean over a task's prompts with its 95 % interval. At equal lengths: as a natural spline "
    "in log tokens, fitted beside the tasks, has it for a prompt of the mean log length of all, "
    "which lies below the mean where a metric grows with length. Where tasks keep their order, "
    "length does not explain it."
)


@dataclass(frozen=True, slots=True)
class TaskMeans:
    """A panel a metric and model: each task's mean with its interval, raw and adjusted."""

    metrics: tuple[str, ...] = (STUDY_ENTROPY, NORMALIZED_ENTROPY)

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run."""
        panels: list[Ranges] = []
        notes = list(stacks_note(frames.many_stacked))
        for metric in self.metrics if len(frames.tasks) > 1 else ():
            empty = []
            for model in frames.labels:
                panel, why = _panel(frames, labels, metric, model)
                if panel is None:
                    empty.append(model)
                else:
                    panels.append(panel)
                    notes += why
            if empty:
                notes.extend(absence(frames, labels, metric, empty))
        return Figure(
            key="task_means",
            title="Attention entropy of the tasks, as measured and at equal lengths",
            caption=_CAPTION,
            panels=tuple(panels),
            notes=tuple(dict.fromkeys(notes)),
        )


build = TaskMeans()


def _panel(
    frames: RunFrames, labels: Labels, metric: str, model: str
) -> tuple[Ranges | None, list[str]]:
    found = frames.analysis.table("means")
    if len(found):
        found = found[(found["metric"] == metric) & (found["scope"] == model)]
    if not len(found):
        return None, []
    why = [
        f"{labels.title(metric)}, {plain(model)}, {_FORMS[str(form)]}: {reason}."
        for form, reason in found.loc[found["reason"].notna(), ["form", "reason"]].to_numpy()
    ]
    ranges = []
    for slot, (form, label) in enumerate(_FORMS.items()):
        own = found[found["form"] == form].set_index("task").reindex(list(frames.tasks))
        x, low, high = (own[name].to_numpy(dtype=np.float64) for name in ("mean", "low", "high"))
        if np.isfinite(x).any():
            ranges.append(Range(label, slot, x, low, high))
    return (
        Ranges(
            title=f"{labels.title(metric)}, {plain(model)}",
            x_title=labels.axis(metric),
            rows=tuple(task_title(task) for task in frames.tasks),
            ranges=tuple(ranges),
        ),
        why,
    )
