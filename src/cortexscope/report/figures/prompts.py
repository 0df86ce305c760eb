"""How the prompts of each task scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Box, Boxes, Figure
from cortexscope.report._correlations import NORMALIZED_ENTROPY, STUDY_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._axes import is_wide
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._words import chosen, counted, number, sentence, subject

__all__ = ["Prompts", "build"]

_PAIR = (STUDY_ENTROPY, NORMALIZED_ENTROPY)
_CAPTION = (
    "Box: from the first to the third quartile over a task's prompts; its marker is the median. "
    "Whiskers: from the 5th to the 95th percentile. Beyond them, each prompt is a point. "
)


@dataclass(frozen=True, slots=True)
class Prompts:
    """A panel a metric: boxes of the prompts' values, a row a task and a box a model."""

    metrics: tuple[str, ...] = _PAIR
    tasks: tuple[str, ...] = ()
    """Only these, all where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; a run without the metrics gets none and no note."""
        tasks = chosen(frames, self.tasks)
        panels: list[Boxes] = []
        notes: list[str] = []
        found: list[str] = []
        for metric in self.metrics:
            values = frames.values([metric])
            values = values[values["value"].notna() & values["task"].isin(tasks)]
            if values.empty:
                continue
            boxes, within = [], []
            for model in frames.labels:
                own = values[values["model"] == model]
                if own.empty:
                    notes += absence(frames, labels, metric, [model])
                    continue
                parts = [own[own["task"] == task] for task in tasks]
                box = Box.of(
                    plain(model),
                    frames.slot(model),
                    [
                        (
                            part["value"].to_numpy(dtype=np.float64),
                            [plain(str(name)) for name in part["prompt_id"]],
                        )
                        for part in parts
                    ],
                )
                boxes.append(box)
                medians = box.quantiles[:, 2]
                wide = np.nanmedian(box.quantiles[:, 3] - box.quantiles[:, 1])
                ends = (number(np.nanmin(medians)), number(np.nanmax(medians)))
                within.append(
                    f"{labels.title(metric)}, {plain(model)}: medians of the tasks from {ends[0]} "
                    f"to {ends[1]}, where the middle half of a task's prompts spans {number(wide)}"
                )
            panels.append(
                Boxes(
                    title=labels.title(metric),
                    x_title=labels.axis(metric),
                    rows=tuple(map(task_title, tasks)),
                    boxes=tuple(boxes),
                    log=is_wide(values["value"].to_numpy(dtype=np.float64)),
                )
            )
            found += within
        name = subject(labels, self.metrics, _PAIR, "Attention entropy")
        return Figure(
            key="prompts",
            title=f"{name} of the prompts of each task",
            caption=_CAPTION + counted(frames, self.tasks),
            panels=tuple(panels),
            notes=(*stacks_note(frames.many_stacked), *notes) if panels else (),
            finding=sentence(found),
        )


build = Prompts()
