"""What a metric makes of a prompt in other words, of its words shuffled, of random tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import bounds_of, stream
from cortexscope.analysis._values import KINDS
from cortexscope.stats import difference_interval, hedges_g, max_t_paired

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["control_effects"]

_NUMBERS = ("original", "mean", "difference", "low", "high", "hedges_g", "p", "tokens")


def control_effects(values: pd.DataFrame, *, seed: int, resamples: int = 2000) -> pd.DataFrame:
    """Return how far each metric differs between prompts and their controls, in each model.

    Paired: a control's value less that of the prompt it was made from; several controls of one
    prompt are one cluster. A metric that random tokens hardly change says little of what is read.

    Args:
        values: as `prompt_values` gives them.
        seed: of resamples and flips of signs.
        resamples: how many of each.

    Returns:
        A row for each metric, model and kind of control that was read: metric, model, control, n
        (prompts), original (their mean), mean (of the controls), difference, low, high, hedges_g,
        p, tokens (mean ratio of the control's tokens to the prompt's), method, reason, caution.
    """
    import pandas as pd

    rows = []
    for (metric, model), own in values.groupby(["metric", "model"], sort=False):
        originals = own[own["kind"] == "original"].set_index("prompt_id")
        for kind in KINDS[1:]:
            controls = own[own["kind"] == kind]
            controls = controls[controls["cluster"].isin(originals.index)]
            if len(controls):
                rng = stream(seed, "controls", str(metric), str(model), kind)
                row = _compared(controls, originals, rng=rng, resamples=resamples)
                rows.append({"metric": metric, "model": model, "control": kind, **row})
    return pd.DataFrame(rows)


def _compared(
    controls: pd.DataFrame, originals: pd.DataFrame, *, rng: np.random.Generator, resamples: int
) -> dict[str, Any]:
    before = originals.loc[controls["cluster"]]
    pairs = controls.assign(
        first=before["value"].to_numpy(),
        ratio=controls["n_tokens"].to_numpy() / before["n_tokens"].to_numpy(),
    )
    pairs = pairs.dropna(subset=["value", "first"])
    pairs = pairs.groupby("cluster", sort=False)[["value", "first", "ratio"]].mean()
    after, first, ratios = (pairs[name].to_numpy() for name in ("value", "first", "ratio"))
    n = len(pairs)
    if not n:
        nothing = dict.fromkeys(_NUMBERS, float("nan"))
        return {
            "n": 0,
            **nothing,
            "method": None,
            "reason": "no control has a value",
            "caution": None,
        }
    difference = after - first
    found = difference_interval(after, first, paired=True, bounds=bounds_of(originals))
    test = max_t_paired(difference, rng=rng, permutations=resamples)
    size = hedges_g(after, first, paired=True)
    return {
        "n": n,
        "original": first.mean(),
        "mean": after.mean(),
        "difference": difference.mean(),
        "low": found.low,
        "high": found.high,
        "hedges_g": size.value,
        "p": float(test.p[0]),
        "tokens": ratios.mean(),
        "method": f"{found.method or 'none'}; {test.method}",
        "reason": found.reason or test.reasons[0] or size.reason,
        "caution": found.caution,
    }
