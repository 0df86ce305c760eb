"""When metrics change over a training: half of the way, and from when on no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.analysis._verdict import CHANCE
from cortexscope.analysis.tables._trainings import TrainingStep
from cortexscope.stats import benjamini_hochberg, difference_interval, unit_means

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis
    from cortexscope.analysis.tables._trainings import Course, Floats
    from cortexscope.stats import MaxT

__all__ = ["TrainingChanges"]

_RESAMPLES = 2000
_SAME = "the first checkpoint is not told from the last"
_PARTS = "no prompt has a value at every checkpoint"
_LATE = "the checkpoint before the last still differs from it"


class TrainingChanges(TrainingStep):
    """A row a training and metric, over all prompts.

    `change` is the last checkpoint's mean less the first one's, of the same prompts, with its
    interval; `p` is that of flipped signs, and `p_bh` counts the metrics (Benjamini and Hochberg).
    Where that tells the two apart, `half_step` is the first measured step at which the mean has
    done half of the way or more, `half_after` the one measured before it, and `half_low` and
    `half_high` are between which steps it lies in the middle 95 % of resamples of the prompts.
    `settled_step` is the first measured step from which on no checkpoint is told from the last
    (flipped signs, adjusted over the checkpoints by max-T, 5 %): on more prompts it may be later.
    """

    name = "training_changes"
    holds = "when each metric changes over a training"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a training and metric."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for name in dict.fromkeys(own.training.name for own in self.courses(of)):
            courses = [own for own in self.courses(of) if own.training.name == name]
            # With itself a checkpoint does not differ, wherever the way began.
            tests = [self.tested(of, own) for own in courses]
            p = [float(test.p[0]) for test in tests]
            adjusted = benjamini_hochberg(p)
            for course, test, own, bh in zip(courses, tests, p, adjusted, strict=True):
                cells = {"p": own, "p_bh": float(bh)}
                rows.append(_row(of, course, test, cells))
        return pd.DataFrame(rows)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield which metrics change first and last over each training."""
        table = of.table(self.name)
        for training, own in table.groupby("training", sort=False):
            moved = own[own["half_step"].notna()].sort_values("half_step", kind="stable")
            yield (
                f"Over the training {training}, from step {own['first_step'].iloc[0]} to "
                f"{own['last_step'].iloc[0]}, {len(moved)} of {len(own)} metrics change."
            )
            if len(moved):
                first, last = moved.iloc[0], moved.iloc[-1]
                yield (
                    f"{first['metric']} has done half of its way by step "
                    f"{first['half_step']:.0f}, {last['metric']} by step {last['half_step']:.0f}."
                )


def _row(of: Analysis, course: Course, test: MaxT, p: dict[str, float]) -> dict[str, Any]:
    steps, values = course.training.steps, course.values
    found = difference_interval(
        values[:, -1],
        values[:, 0],
        clusters=(course.clusters, course.clusters),
        paired=True,
        bounds=course.bounds,
    )
    known = np.isfinite(values[:, 0]) & np.isfinite(values[:, -1])
    ends = [float(own[known].mean()) if known.any() else np.nan for own in values[:, [0, -1]].T]
    change = {"change": found.value, "change_low": found.low, "change_high": found.high}
    row: dict[str, Any] = {
        "training": course.training.name,
        "metric": course.metric,
        "first_step": steps[0],
        "last_step": steps[-1],
        "first": ends[0],
        "last": ends[1],
        **{name: np.nan if end is None else end for name, end in change.items()},
        **p,
        **dict.fromkeys(("half_after", "half_step", "half_low", "half_high"), np.nan),
        "half_reason": test.reasons[0] or _SAME,
        "settled_step": np.nan,
        "settled_reason": _LATE,
        "prompts": found.n,
    }
    units = _complete(course)
    if p["p_bh"] <= CHANCE and len(units):
        at = _half(units.mean(axis=0))
        low, high = _spread(of, course, units)
        row |= {"half_step": steps[at], "half_after": steps[at - 1], "half_reason": None}
        row |= {"half_low": steps[low], "half_high": steps[high]}
    elif p["p_bh"] <= CHANCE:
        row["half_reason"] = _PARTS
    # What is the same on every prompt has no test, and no difference either.
    apart = np.append((test.p_adjusted <= CHANCE) | _unequal(course), False)
    settled = int(np.flatnonzero(apart)[-1]) + 1 if apart.any() else 0
    if settled < len(steps) - 1:
        row |= {"settled_step": steps[settled], "settled_reason": None}
    return row


def _unequal(course: Course) -> NDArray[np.bool_]:
    """Return where all prompts differ from the last checkpoint by one and the same number."""
    apart = course.from_last[:, :-1]
    least, most = np.fmin.reduce(apart), np.fmax.reduce(apart)
    found: NDArray[np.bool_] = (least == most) & (most != 0)
    return found


def _half(means: Floats) -> int:
    """Return the first checkpoint at which half of the way from the first to the last is done."""
    way = (means - means[0]) / (means[-1] - means[0])
    return int(np.flatnonzero(way >= 0.5)[0])


def _complete(course: Course) -> Floats:
    """Return the values of prompts that have one at every checkpoint, [prompt, checkpoint].

    Paraphrases of one prompt are averaged.
    """
    units = unit_means(course.values, course.clusters)
    complete: Floats = units[np.isfinite(units).all(axis=1)]
    return complete


def _spread(of: Analysis, course: Course, units: Floats) -> tuple[int, int]:
    """Return the first and the last checkpoint that resamples of prompts have in the middle."""
    rng = of.stream("training_changes", course.training.name, course.metric)
    drawn = rng.integers(len(units), size=(_RESAMPLES, len(units)))
    means = np.stack([units[rows].mean(axis=0) for rows in drawn])
    # A resample without any way has no half of it.
    places = [_half(own) for own in means if own[0] != own[-1]]
    low, high = np.quantile(places, [0.025, 0.975], method="inverted_cdf")
    return int(low), int(high)
