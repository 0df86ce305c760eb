"""The tasks that stand out, as rounds over standardised metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, Radar, Round
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._standard import MEANING, USUAL, standard_scores
from cortexscope.report.figures._words import chosen, counted

__all__ = ["RadarOfTasks", "build"]

_FEWEST = 3
"""Spokes, below which there is no area."""
_CAPTION = (
    "A spoke a metric, a round a task; the dark ring is 0, the mean of the tasks. {drawn} Neither "
    "the order of the spokes nor the area of a round means anything: another order has other "
    "areas. "
)


@dataclass(frozen=True, slots=True)
class RadarOfTasks:
    """A panel a model: standard scores of the tasks that lie farthest from the others."""

    metrics: tuple[str, ...] = USUAL
    tasks: tuple[str, ...] = ()
    """Those that are drawn and compared; where empty, all are compared, and `most` drawn."""
    most: int = 4
    """Tasks drawn where none is named."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; fewer than three metrics or two tasks make none."""
        scores = standard_scores(frames, self.metrics, self.tasks)
        far = (scores["z"] ** 2).groupby(scores["task"], observed=True).mean()
        order = sorted(far.index, key=lambda task: -far[task])[: None if self.tasks else self.most]
        drawn = [task for task in chosen(frames, self.tasks) if task in order]
        panels, most = [], []
        for model in frames.labels:
            own = scores[scores["model"] == model]
            grid = own.pivot(index="metric", columns="task", values="z")
            spokes = [metric for metric in self.metrics if metric in grid.index]
            if len(spokes) >= _FEWEST:
                most.append(own.iloc[int(own["z"].abs().argmax())])
                panels.append(
                    Radar(
                        title=plain(model),
                        spokes=tuple(labels.title(metric) for metric in spokes),
                        rounds=tuple(
                            Round(
                                task_title(task),
                                slot,
                                grid.loc[spokes, task].to_numpy(dtype=np.float64),
                            )
                            for slot, task in enumerate(drawn)
                        ),
                        unit=" SD",
                    )
                )
        finding = ""
        if most:
            top = max(most, key=lambda row: abs(row["z"]))
            finding = (
                f"{task_title(top['task'])} stands out most: {labels.title(top['metric'])} of "
                f"{plain(top['model'])} is {top['z']:+.2f} SD from the mean of the tasks."
            )
        many = len(chosen(frames, self.tasks)) > len(drawn)
        said = (
            f"Drawn are the {len(drawn)} tasks that lie farthest from the others." if many else ""
        )
        return Figure(
            key="radar",
            title="Tasks over standardised metrics",
            caption=(_CAPTION.format(drawn=said) + MEANING + counted(frames, self.tasks)),
            panels=tuple(panels),
            notes=stacks_note(frames.many_stacked) if panels else (),
            finding=finding[:1].upper() + finding[1:],
        )


build = RadarOfTasks()
