"""How metrics go over the steps of a training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cortexscope.document import Figure, Line, Lines
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain, task_title
from cortexscope.report.figures._axes import WIDE, is_wide

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Training", "build"]

_CAPTION = (
    "Mean over prompts at each checkpoint that was measured, with its 95 % interval; between two "
    "of them nothing is known. The axis of steps is logarithmic where they span more than a factor "
    f"of {WIDE:.0f}"
)
_ZERO = "; step 0, which has no place there, is drawn at half of the first step"
_DIVERGENCE = "KL divergence from the baseline"
_BITS = "bits_per_byte"


@dataclass(frozen=True, slots=True)
class Training:
    """A panel a metric: its mean over prompts at each step, a line a training."""

    metrics: tuple[str, ...] = ()
    """Those looked at closely, bits per byte and the divergence from the baseline where empty."""
    tasks: tuple[str, ...] = ()
    """A line each; one over all prompts where empty."""

    def __call__(self, frames: RunFrames, labels: Labels) -> Figure:
        """Return the figure of a run; without panels where it has no course of a training."""
        from cortexscope.analysis import DIVERGENCE, Analysis, trainings_of

        title = "Over training"
        if not trainings_of(frames.measured):
            return Figure("training", title, "", ())
        analysis = Analysis(frames.measured)
        table = analysis.table("training_course")
        metrics = self.metrics or (DIVERGENCE, _BITS, *analysis.focus)
        steps = _places(table)
        names = tuple(dict.fromkeys(table["training"]))
        panels = []
        for metric in dict.fromkeys(metrics):
            own = table[table["metric"] == metric]
            lines = tuple(self._lines(own, names, steps))
            if lines:
                divergence = metric == DIVERGENCE
                panels.append(
                    Lines(
                        _DIVERGENCE if divergence else labels.title(metric),
                        "Step of the training",
                        _mean_of("nats a token" if divergence else labels.unit(metric)),
                        lines,
                        x_word="step",
                        x_log=is_wide(np.array([*steps.values()])),
                    )
                )
        zero = steps.get(0, 0.0) > 0
        notes = () if panels else ("No metric with one number a prompt was measured.",)
        return Figure(
            "training",
            title,
            f"{_CAPTION}{_ZERO if zero else ''}.",
            tuple(panels),
            notes=notes,
        )

    def _lines(
        self, table: pd.DataFrame, names: tuple[str, ...], steps: dict[int, float]
    ) -> Iterator[Line]:
        tasks = self.tasks or (None,)
        for number, (training, task) in enumerate((a, b) for a in names for b in tasks):
            rows = table[table["training"] == training]
            rows = rows[rows["task"].isna() if task is None else rows["task"] == task]
            rows = rows[rows["mean"].notna()]
            if rows.empty:
                continue
            said = [*([plain(training)] if len(names) > 1 or task is None else [])]
            said += [] if task is None else [task_title(task)]
            y, low, high = (
                rows[name].to_numpy(dtype=np.float64) for name in ("mean", "mean_low", "mean_high")
            )
            yield Line(
                ", ".join(said),
                number,
                np.array([steps[step] for step in rows["step"]]),
                y,
                np.where(np.isnan(low), y, low),
                np.where(np.isnan(high), y, high),
                places=tuple(f"step {step:,}" for step in rows["step"]),
            )


build = Training()


def _mean_of(unit: str) -> str:
    """Return the title of the axis; the panel says of what the mean is, which may be long."""
    return f"mean ({unit})" if unit else "mean"


def _places(table: pd.DataFrame) -> dict[int, float]:
    """Return where each step is drawn: on a logarithmic axis step 0 has no place of its own."""
    steps: NDArray[np.int64] = np.unique(table["step"].to_numpy(dtype=np.int64))
    positive = steps[steps > 0]
    places = {int(step): float(step) for step in steps}
    if steps[0] == 0 and is_wide(positive.astype(np.float64)):
        places[0] = float(positive[0]) / 2
    return places
