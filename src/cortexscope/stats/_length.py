"""The length of a prompt as a covariate: a smooth curve in the logarithm of its tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.stats._length_curve import LengthCurve
from cortexscope.stats._units import units_of

__all__ = ["adjusted_values", "length_basis"]


def length_basis(n_tokens: ArrayLike, *, df: int | None = None) -> NDArray[np.float64]:
    """Return a natural cubic spline basis in log tokens, [prompt, column], without a constant.

    Together with a constant it spans every such spline with knots at the lengths' quantiles, as
    `LengthCurve.over` places them. Two distinct lengths give one column, a straight line; a single
    length gives none, so that only the constant is left.

    Args:
        n_tokens: of each prompt, above 0.
        df: number of columns; None takes one for every 8 prompts, at least 1 and at most 6. Fewer
            distinct lengths give fewer columns.

    Raises:
        UsageError: if a length is not a positive number, or `df` is below 1.

    Example:
        >>> length_basis([10, 20, 40, 80], df=2).shape
        (4, 2)
        >>> length_basis([10, 20, 10]).round(1).tolist()
        [[0.0], [1.0], [0.0]]
        >>> length_basis([10, 10]).shape
        (2, 0)
    """
    return LengthCurve.over(n_tokens, df=df).columns(n_tokens)


def adjusted_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the values frame with the effect of length taken out of each model's values.

    In each model, value = task + curve(log tokens), fitted by least squares over clusters, so that
    the curve is what length does within tasks and differences between tasks stay. Then `value` is
    what the prompt would have at the model's mean log length: value - curve(log tokens) +
    curve(mean log tokens). Where all prompts have one length, nothing changes. The curve of few
    tasks of very different lengths is extrapolated; `task_effect` says where tasks overlap.

    Args:
        frame: columns `model`, `task`, `prompt_id`, `cluster`, `n_tokens`, `value`.

    Returns:
        The same rows, `value` replaced (NaN where undefined), with the columns `raw`, the value as
        measured, and `reason`, why the adjusted one is undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.
    """
    out = frame.assign(raw=frame["value"], reason=None)
    values = frame["value"].to_numpy(dtype=np.float64).copy()
    reasons = np.full(len(frame), None, dtype=object)
    for name in frame["model"].unique():
        mine = (frame["model"] == name).to_numpy()
        known = mine & np.isfinite(values)
        reasons[mine & ~known] = "no value"
        if not known.any():
            continue
        units = units_of(frame.loc[known])
        slopes, reason = units.slopes(0)
        if slopes is None:
            values[known], reasons[known] = np.nan, reason
            continue
        curve = units.curves[0].columns(frame["n_tokens"].to_numpy()[known])
        values[known] -= (curve - units.typical[0]) @ slopes
    out["value"], out["reason"] = values, reasons
    return out
