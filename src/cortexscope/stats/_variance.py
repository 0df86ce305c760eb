"""How much of a metric's variance model, task, length and prompt explain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.stats._length_curve import LengthCurve
from cortexscope.stats._units import Units, units_of

__all__ = ["COMPONENTS", "variance_explained"]

COMPONENTS = {
    "model": "differences between the models' means",
    "task": "differences between tasks that their lengths do not explain",
    "length": "a curve in log tokens that tasks do not explain",
    "task or length": "what tasks explain as well as their lengths do, and cannot be told apart",
    "prompt": "differences between prompts of one task at one length, alike in all models",
    "residual": "what a model makes of a prompt beyond both, differences between tasks as well",
}
"""What each share is of, in the order of the rows."""

_CONSTANT = 1e-12


def variance_explained(frame: pd.DataFrame, *, standardised: bool = False) -> pd.DataFrame:
    """Return the shares of the variance that model, task, length, prompt and the rest explain.

    Sums of squares of the table of models by prompts: that of models, that of prompts, and the
    residual. That of prompts is split by regressions of their means over models on tasks, on a
    natural cubic spline in log tokens, and on both: what each adds to the other, and what they
    share, which falls below 0 where each hides what the other does. `share` divides by the total.
    `share_first` is what a part explains before the others: for task and length with what they
    share, so that the task's is its raw share, and `share` the one with length taken out.

    Omega squared estimates the same shares in the population: sums of squares less what chance
    puts in (degrees of freedom times the mean square of prompts, for models that of the residual),
    as variances, over their sum (Vaughan and Corballis 1969, Psychological Bulletin 72, 204-213).
    It is around 0 where a part does nothing, so it can fall below 0. With one model, the task's is
    that of `task_effect` at equal lengths. The partial one (Olejnik and Algina 2003, Psychological
    Methods 8, 434-447) is the share of the part and of what it is tested against, prompts or for
    models the residual; only model, task and length have one.

    `share` and `omega_squared` each add up to 1 over the rows that are defined.

    Args:
        frame: a values frame of one metric: `model`, `task`, `prompt_id`, `cluster`, `n_tokens`,
            `value`. The paraphrases of a prompt are averaged; only prompts count that every model
            has a value for.
        standardised: whether several models' values are standard scores (`Units.alike`), without
            which a model of larger values decides every share. Models do not differ then.

    Returns:
        A row for each of `COMPONENTS`: component, df, sum_of_squares, share, share_first,
        omega_squared, omega_squared_partial, reason; NaN where undefined.

    Raises:
        UsageError: if columns are missing or contradict each other.

    Example:
        >>> ids = list("uvwxyz")
        >>> frame = pd.DataFrame({"model": "m", "task": list("aaabbb"), "prompt_id": ids})
        >>> frame = frame.assign(cluster=ids, n_tokens=9, value=[1, 2, 3, 5, 6, 7])
        >>> shares = variance_explained(frame).set_index("component")["share"]
        >>> round(float(shares["task"]), 3)
        0.857
    """
    units = units_of(frame).alike() if standardised else units_of(frame)
    n, models = units.values.shape
    why = _undefined(units)
    if why is None:
        squares, degrees, reasons = _split(units)
        variances = _variances(squares, degrees, n, models)
    else:
        squares = degrees = variances = np.full(len(COMPONENTS), np.nan)
        reasons = [why] * len(COMPONENTS)
    shares = squares / np.nansum(squares) if why is None else squares
    omega = variances / np.nansum(variances) if why is None else variances
    partial = _partial(squares, degrees, n, models)
    shared = list(COMPONENTS).index("task or length")
    first = shares + np.isin(list(COMPONENTS), ("task", "length")) * np.nan_to_num(shares[shared])
    first[shared] = np.nan
    return pd.DataFrame(
        {
            "component": list(COMPONENTS), "df": degrees, "sum_of_squares": squares,
            "share": shares, "share_first": first, "omega_squared": omega,
            "omega_squared_partial": partial,
            "reason": pd.Series(reasons, dtype=object),
        }
    )  # fmt: skip


def _undefined(units: Units) -> str | None:
    if not units.models or not len(units):
        return "no prompt has a value in every model"
    spread = float(np.linalg.norm(units.values - units.values.mean()))
    if spread <= _CONSTANT * float(np.linalg.norm(units.values)):
        return "the value is the same throughout"
    columns = _rank(_member(units), _curve(units))
    if len(units) <= columns:
        return f"{len(units)} prompts are too few for {len(units.tasks)} tasks and their lengths"
    return None


def _split(
    units: Units,
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str | None]]:
    """Return sums of squares, degrees of freedom and reasons in the order of the rows."""
    values, (n, models) = units.values, units.values.shape
    prompts = values.mean(axis=1)
    means = values.mean(axis=0) - values.mean()
    residual = values - prompts[:, None] - means
    task, curve = _member(units), _curve(units)
    none, of_task, of_length, of_both = (
        models * _left(prompts, *columns) for columns in ((), (task,), (curve,), (task, curve))
    )
    df_task = _rank(task, curve) - _rank(curve)
    df_length = _rank(task, curve) - _rank(task)
    df_shared = _rank(task, curve) - 1 - df_task - df_length
    squares = np.array(
        [
            n * (means**2).sum(), of_length - of_both, of_task - of_both,
            none - of_task - of_length + of_both, of_both, (residual**2).sum(),
        ]
    )  # fmt: skip
    degrees = np.array(
        [
            models - 1, df_task, df_length, df_shared, n - _rank(task, curve),
            (n - 1) * (models - 1),
        ],
        dtype=np.float64,
    )  # fmt: skip
    one_task = "there is only one task" if len(units.tasks) < 2 else None
    one_length = None if curve.shape[1] else "all prompts have one length"
    no_model = "there is only one model" if models < 2 else None
    if units.scale:
        no_model = "each model is standardised, so that their means are equal"
    alone = "one model reads each prompt once, so its share is in that of the prompt"
    reasons = [
        no_model,
        one_task or ("length alone tells the tasks apart" if df_task == 0 else None),
        one_length or ("tasks have one length each" if df_length == 0 else None),
        one_task or one_length,
        None,
        alone if models < 2 else None,
    ]
    unknown = np.array([reason is not None for reason in reasons])
    return np.where(unknown, np.nan, squares), np.where(unknown, np.nan, degrees), reasons


def _variances(
    squares: NDArray[np.float64], degrees: NDArray[np.float64], n: int, models: int
) -> NDArray[np.float64]:
    """Return estimates of the variances whose expected mean squares those are."""
    of_prompts, of_rest = (squares[-2:] / degrees[-2:]).tolist()
    of_rest = 0.0 if models < 2 else of_rest
    chance = np.array([of_rest, *[of_prompts] * 3])
    fixed = (squares[:4] - degrees[:4] * chance) / (n * models)
    random = [(of_prompts - of_rest) / models, of_rest if models > 1 else np.nan]
    return np.concatenate([fixed, random])


def _partial(
    squares: NDArray[np.float64], degrees: NDArray[np.float64], n: int, models: int
) -> NDArray[np.float64]:
    """Return the share of a part and of what it is tested against, for those that are tested."""
    of_prompts, of_rest = squares[-2:] / np.where(degrees[-2:] > 0, degrees[-2:], np.nan)
    chance = np.array([of_rest, of_prompts, of_prompts])
    own = squares[:3] - degrees[:3] * chance
    whole = own + np.array([n * models, n, n]) * chance
    found = np.divide(own, whole, where=whole > 0, out=np.full(3, np.nan))
    return np.append(found, [np.nan] * 3)


def _member(units: Units) -> NDArray[np.float64]:
    return np.asarray(np.eye(len(units.tasks))[units.codes])


def _curve(units: Units) -> NDArray[np.float64]:
    return LengthCurve.over(np.exp(units.logs)).columns_of_logs(units.logs)


def _with_constant(n: int, columns: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
    return np.hstack([np.ones((n, 1)), *columns])


def _left(values: NDArray[np.float64], *columns: NDArray[np.float64]) -> float:
    """Return the sum of squares that a constant and the columns leave."""
    exog = _with_constant(len(values), columns)
    fit = exog @ np.linalg.lstsq(exog, values, rcond=1e-9)[0]
    return float(((values - fit) ** 2).sum())


def _rank(*columns: NDArray[np.float64]) -> int:
    return int(np.linalg.matrix_rank(_with_constant(len(columns[0]), columns), rtol=1e-9))
