"""Two tasks or two models along depth, and over a map of layers and heads."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import checked_frame
from cortexscope.stats._interval import difference_interval
from cortexscope.stats._limits import UNBOUNDED, Bounds
from cortexscope.stats._max_t import max_t_paired, max_t_unpaired
from cortexscope.stats._multiple import benjamini_hochberg

__all__ = ["Compared", "layer_contrasts", "map_contrasts"]

Compared = Literal["task", "model"]
"""What `a` and `b` are."""

# So that a head that alone differs can have a p_bh of 0.02.
_A_HEAD = 50

_FAMILIES = {
    "p_max_t": "all layers, by max-T",
    "p_bh": "all layers and heads, by Benjamini and Hochberg",
}


def layer_contrasts(
    frame: pd.DataFrame,
    a: str,
    b: str,
    *,
    by: Compared,
    rng: np.random.Generator,
    permutations: int = 5000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Return how two tasks or two models differ at each layer, tested along depth at once.

    Two models are compared over the prompts that both read, at the layers that both have; two
    tasks over the prompts of one model. Paraphrases of a prompt are averaged first, and one
    exchange moves a prompt's values at all layers together, so that p_max_t (Westfall and Young's
    step-down max-T) allows for how alike neighbouring layers are.

    Args:
        frame: values of one metric: `model`, `task`, `prompt_id`, `cluster`, `layer`, `value`.
        a: a task or a model.
        b: another.
        by: which of these they are.
        rng: draws the exchanges.
        permutations: how many exchanges are drawn; all are made if they are no more.
        level: of the intervals, each on its own.
        bounds: lowest and highest value that the metric can have.

    Returns:
        A row a layer: layer, a, b, n_a, n_b (prompts), difference, low, high, t, p (of the layer
        alone), p_max_t, p_least (the smallest that was reachable), family, method, reason,
        caution; NaN where undefined.

    Raises:
        UsageError: if columns are missing, there is no such task or model, or tasks are to be
            compared over several models.
    """
    return _contrasted(
        frame, a, b, by=by, places=("layer",), adjusted="p_max_t", rng=rng,
        permutations=permutations, level=level, bounds=bounds,
    )  # fmt: skip


def map_contrasts(
    frame: pd.DataFrame,
    a: str,
    b: str,
    *,
    by: Compared,
    rng: np.random.Generator,
    permutations: int = 10_000,
    level: float = 0.95,
    bounds: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Return how two tasks or two models differ at each head of each layer.

    As `layer_contrasts`, but p is adjusted by Benjamini and Hochberg (p_bh): of the heads with
    p_bh of at most alpha, a share of at most alpha is expected to be false. As many exchanges are
    drawn as it takes to find one head alone, 50 for each.

    Args:
        frame: values of one metric: `model`, `task`, `prompt_id`, `cluster`, `layer`, `head`,
            `value`.
        a: a task or a model.
        b: another.
        by: which of these they are.
        rng: draws the exchanges.
        permutations: how many exchanges are drawn, if this is more; all are made if they are no
            more.
        level: of the intervals, each on its own.
        bounds: lowest and highest value that the metric can have.

    Returns:
        A row a head: layer, head, a, b, n_a, n_b (prompts), difference, low, high, t, p, p_bh,
        p_least (the smallest p_bh that one head alone could reach), family, method, reason,
        caution; NaN where undefined.

    Raises:
        UsageError: as `layer_contrasts`.
    """
    return _contrasted(
        frame, a, b, by=by, places=("layer", "head"), adjusted="p_bh", rng=rng,
        permutations=permutations, level=level, bounds=bounds,
    )  # fmt: skip


def _contrasted(
    frame: pd.DataFrame,
    a: str,
    b: str,
    *,
    by: Compared,
    places: tuple[str, ...],
    adjusted: Literal["p_max_t", "p_bh"],
    rng: np.random.Generator,
    permutations: int,
    level: float,
    bounds: Bounds,
) -> pd.DataFrame:
    """Return a row a place, with its interval and its test."""
    first, second = _sides(checked_frame(frame, places=places), a, b, by=by, places=places)
    x, y = first.to_numpy(), second.to_numpy()
    tests = 1
    if adjusted == "p_bh":
        tests = x.shape[1]
        permutations = max(permutations, _A_HEAD * tests)
    if by == "model":
        found = max_t_paired(x - y, rng=rng, permutations=permutations)
    else:
        found = max_t_unpaired(x, y, rng=rng, permutations=permutations)
    intervals = [
        difference_interval(*pair, paired=by == "model", level=level, bounds=bounds)
        for pair in zip(x.T, y.T, strict=True)
    ]
    reasons = [each.reason or why for each, why in zip(intervals, found.reasons, strict=True)]
    columns: dict[str, Any] = {
        name: first.columns.get_level_values(name).to_numpy() for name in places
    }
    columns |= {
        "a": a, "b": b, "n_a": np.isfinite(x).sum(axis=0), "n_b": np.isfinite(y).sum(axis=0),
        "difference": _means(x) - _means(y),
        "low": np.array([each.low for each in intervals], dtype=np.float64),
        "high": np.array([each.high for each in intervals], dtype=np.float64),
        "t": found.t, "p": found.p,
        adjusted: found.p_adjusted if adjusted == "p_max_t" else benjamini_hochberg(found.p),
        "p_least": np.minimum(found.p_least * tests, 1.0),
        "family": _FAMILIES[adjusted],
        "method": pd.Series(
            [f"{each.method}; {found.method}" if each.method else None for each in intervals],
            dtype=object,
        ),
        "reason": pd.Series(reasons, dtype=object),
        "caution": pd.Series([each.caution for each in intervals], dtype=object),
    }  # fmt: skip
    return pd.DataFrame(columns)


def _sides(
    known: pd.DataFrame, a: str, b: str, *, by: Compared, places: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both sides' values at the places that both have, [unit, place]."""
    present = known[by].unique()
    for name in (a, b):
        if name not in present:
            names = ", ".join(sorted(map(str, present)))
            raise UsageError(f"There is no {by} {name!r} in the values; there are {names}.")
    models = known.loc[known["task"].isin([a, b]), "model"].unique()
    if by == "task" and len(models) > 1:
        raise UsageError(
            f"Tasks are compared along the depth of one model, and there are {len(models)}; "
            f"give the values of one."
        )
    sides = [_wide(known.loc[known[by] == name], places) for name in (a, b)]
    shared = sides[0].columns.intersection(sides[1].columns).sort_values()
    if shared.empty:
        raise UsageError(f"{a!r} and {b!r} have no {' and '.join(places)} in common; give others.")
    first, second = (side[shared] for side in sides)
    if by == "model":
        both = first.index.intersection(second.index)
        first, second = first.loc[both], second.loc[both]
        paired = first.notna() & second.notna()
        first, second = first.where(paired), second.where(paired)
    return first.groupby(level="cluster").mean(), second.groupby(level="cluster").mean()


def _wide(known: pd.DataFrame, places: tuple[str, ...]) -> pd.DataFrame:
    return known.pivot(index=["cluster", "prompt_id"], columns=list(places), values="value")


def _means(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of what is known in each column; NaN where nothing is."""
    known = np.isfinite(units)
    sums, counts = np.where(known, units, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
