"""Metrics of whole models against their size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexscope.document import Figure, Points, Scatter
from cortexscope.metrics import STUDY
from cortexscope.report._correlations import NORMALIZED_ENTROPY
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, parameters_text, plain
from cortexscope.report._stacks import stacks_note
from cortexscope.report.figures._missing import absence
from cortexscope.report.figures._options import PublishedModel
from cortexscope.report.figures._words import chosen, counted, number, sentence, subject
from cortexscope.stats import mean_of

__all__ = ["Parameters", "build"]

_METRICS = (*STUDY.values(), NORMALIZED_ENTROPY)
_GREY = 6
"""A slot, which the seventh model shares."""
_CAPTION = (
    "A point a model: the mean over its prompts, each counting once, with its 95 % interval (the "
    "farther ends of Student's t and Hall's transformation). Tied parameters are counted once. "
    "The interval is of other prompts, not of other models: what so few models of different "
    "makers, data and widths have in common with their size is no law of scale. "
)
_PUBLISHED = "In grey, as the study published its models, without intervals. "


@dataclass(frozen=True, slots=True)
class Parameters:
    """A panel a metric: each model's mean against its number of parameters."""

    metrics: tuple[str, ...] = _METRICS
    tasks: tuple[str, ...] = ()
    """Over the prompts of these, of all where empty."""
    published: tuple[PublishedModel, ...] = ()
    """The study's own, drawn beside the run's."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; a single model, with none published, makes none."""
        sizes = frames.models.set_index("model")["parameters"]
        panels: list[Scatter] = []
        notes: list[str] = []
        found: list[str] = []
        enough = len(frames.labels) + len(self.published) > 1
        for metric in self.metrics if enough else ():
            tasks = chosen(frames, self.tasks)
            clouds, means, empty = [], {}, []
            for model in frames.labels:
                rows = frames.values_of(model, metric)
                own = rows[rows["task"].isin(tasks) & rows["value"].notna()]["value"]
                if own.empty:
                    empty.append(model)
                    continue
                mean = mean_of(
                    own.to_numpy(dtype=np.float64), level=0.95, bounds=labels.bounds(metric)
                )
                size = float(sizes[model])
                text = f"{plain(model)} ({parameters_text(int(size))})"
                means[size] = f"{number(float(own.mean()))} in {text}"
                clouds.append(
                    Points(
                        label=plain(model),
                        slot=frames.slot(model),
                        x=np.array([size]),
                        y=_array(mean.value),
                        names=(f"{plain(model)}, {parameters_text(int(size))}",),
                        statement=f"{mean:.3g}, n = {mean.n}",
                        low=_array(mean.low),
                        high=_array(mean.high),
                    )
                )
            if not clouds:
                continue
            notes += absence(frames, labels, metric, empty)
            if known := [own for own in self.published if metric in own.values]:
                clouds.append(_published(metric, known))
            panels.append(
                Scatter(
                    title=labels.title(metric),
                    x_title="Parameters",
                    y_title=labels.axis(metric),
                    clouds=tuple(clouds),
                    x_word="parameters",
                    log=True,
                )
            )
            if len(means) > 1:
                ends = (means[min(means)], means[max(means)])
                found.append(f"{labels.title(metric)} is {ends[0]} and {ends[1]}")
        published = _PUBLISHED if self.published else ""
        name = subject(labels, self.metrics, _METRICS, "Metrics")
        return Figure(
            key="parameters",
            title=f"{name} against the number of parameters",
            caption=_CAPTION + published + counted(frames, self.tasks),
            panels=tuple(panels),
            notes=(*stacks_note(frames.many_stacked), *notes) if panels else (),
            finding=sentence(found),
        )


build = Parameters()


def _array(value: float | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value])


def _published(metric: str, models: list[PublishedModel]) -> Points:
    return Points(
        label="Published",
        slot=_GREY,
        x=np.array([own.parameters for own in models], dtype=np.float64),
        y=np.array([own.values[metric] for own in models], dtype=np.float64),
        names=tuple(plain(own.name) for own in models),
        statement=f"{len(models)} models of the study",
    )
