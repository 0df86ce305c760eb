"""Whether tasks differ in a metric: raw, and with what length does taken out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from cortexscope.stats._effect import Draw, Effect, Factor, factor_effect
from cortexscope.stats._overlap import overlap_of
from cortexscope.stats._permutation import Shuffler, shuffles
from cortexscope.stats._strata import strata_of
from cortexscope.stats._units import Units, units_of

__all__ = ["TaskEffect", "task_effect"]

_CONFOUNDED = "length alone tells the tasks apart, so what the task does cannot be told"


@dataclass(frozen=True, slots=True)
class TaskEffect:
    """The effect of the task on the mean of the models, raw and adjusted for length."""

    raw: Effect
    """Holds what the tasks' lengths do as well."""
    adjusted: Effect
    """Of tasks at equal lengths."""
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    """Those with a value; their mean is what is tested."""
    clusters: tuple[str, ...]
    """The prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts left out because one of the models has no value for them."""
    overlap: float | None
    """Share of the prompts that another task has one of about equal length for."""

    @property
    def n(self) -> int:
        """How many prompts."""
        return len(self.clusters)

    @property
    def p(self) -> float | None:
        """The p-value to report: the adjusted one, or None where tasks cannot be compared."""
        return self.adjusted.p


def task_effect(
    frame: pd.DataFrame | Units,
    *,
    rng: np.random.Generator,
    permutations: int = 2000,
    shuffled: Shuffler | None = None,
) -> TaskEffect:
    """Return whether the tasks differ in the mean of the models' values, raw and adjusted.

    The prompt is the unit: the values of its paraphrases and of the models are averaged, and whole
    prompts are permuted. Raw: F of a one-way analysis of variance, prompts permuted over tasks.
    Adjusted: F of the analysis of covariance with a natural cubic spline in log tokens, one curve a
    model, fitted together with the tasks. Its p is Freedman and Lane's, within bins of about equal
    length: what the curves alone leave is permuted, curves and tasks are fitted again. In
    simulations where only length differs between tasks this rejects 4 to 6 %, also where longer
    prompts scatter more (`benchmarks/false_positives.py`). A test of values that were adjusted
    first would take the curve for known, and reject too often.

    Where the units have blocks, tasks are compared inside of these alone: each block has a mean of
    its own in every fit, and prompts are exchanged inside blocks.

    With one model, F and omega squared are those of ordinary least squares. Of several, each
    model's values are standard scores (`Units.alike`), so that all weigh the same; give one model's
    frame to have its own effect.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`, and `block` where there are any; or its units.
        rng: draws the permutations, unless `shuffled` gives them.
        permutations: how many.
        shuffled: gives the permutations, such as the same ones for many metrics (`Remembered`).

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": list("aaabbb"), "prompt_id": ids})
        >>> frame = frame.assign(cluster=ids, n_tokens=9, value=[1, 2, 3, 4, 5, 6])
        >>> effect = task_effect(frame, rng=np.random.default_rng(0)).raw
        >>> round(effect.statistic, 6), effect.df, effect.df_residual
        (13.5, 1, 4)
    """
    units = units_of(frame)
    units, overlap = units.alike(), overlap_of(units)
    blocks = None if units.blocks is None else int(units.blocks.max(initial=-1)) + 1
    inside = "" if blocks is None else f" inside {blocks} blocks, whose means are taken out,"
    method = f"permutation of prompts over tasks{inside} ({permutations})"
    draw = Draw(shuffled or partial(shuffles, rng=rng), permutations)
    member = np.eye(len(units.tasks))[units.codes]
    factor = Factor(member, _CONFOUNDED, "no value varies within tasks")
    everything = np.zeros(len(units), dtype=np.intp) if units.blocks is None else units.blocks
    flat = units.without_length()
    raw = factor_effect(
        flat, factor, everything, units.noted(method), draw, reason=_undefined(flat)
    )
    adjusted = replace(raw, method=f"{raw.method}; all prompts have one length")
    if any(basis.shape[1] for basis in units.bases):
        bins = strata_of(units)
        method = (
            f"Freedman-Lane permutation within {len(np.unique(bins))} length bins{inside} "
            f"({permutations})"
        )
        adjusted = factor_effect(
            units, factor, bins, units.noted(method), draw,
            reason=_undefined(units), untested=overlap.reason,
        )  # fmt: skip
    return TaskEffect(
        raw=raw, adjusted=adjusted, tasks=units.tasks, models=units.models,
        clusters=units.clusters, left_out=units.left_out, overlap=overlap.share,
    )  # fmt: skip


def _undefined(units: Units) -> str | None:
    if not units.models or not len(units):
        return "no prompt has a value in every model"
    if len(units.tasks) < 2:
        return "there is only one task"
    if units.blocks is not None and not units.crossed:
        return "no block has prompts of two tasks"
    columns = max(basis.shape[1] for basis in units.bases)
    if len(units) - len(units.tasks) - columns - units.levels.shape[1] + 1 < 1:
        return f"{len(units)} prompts are too few for {len(units.tasks)} tasks"
    return None
