"""What a metric makes of a prompt in other words, of its words shuffled, of random tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import bounds_of, unknown
from cortexscope.analysis._values import KINDS, as_texts
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import difference_interval, hedges_g, max_t_paired

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Controls"]

_NUMBERS = ("original", "mean", "difference", "low", "high", "hedges_g", "p", "tokens")


class Controls(Step):
    """Paired: a control's value less that of the prompt it was made from.

    Several controls of one prompt are one cluster. A metric that random tokens hardly change says
    little of what is read.
    """

    name = "controls"
    holds = "what shuffled words, random tokens and other words do to each metric"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, model and kind of control that was read.

        `tokens` is the mean ratio of the control's tokens to the prompt's.
        """
        import pandas as pd

        rows = []
        every = of.values.groupby(["metric", "model"], sort=False, observed=True)
        for (metric, model), coded in every:
            if (coded["kind"] == KINDS[0]).all():
                continue
            own = as_texts(coded)
            originals = own[own["kind"] == "original"].set_index("prompt_id")
            for kind in KINDS[1:]:
                controls = own[own["kind"] == kind]
                controls = controls[controls["cluster"].isin(originals.index)]
                if len(controls):
                    rng = of.stream(self.name, str(metric), str(model), kind)
                    row = _compared(controls, originals, rng=rng, resamples=of.settings.resamples)
                    rows.append({"metric": metric, "model": model, "control": kind, **row})
        return pd.DataFrame(rows)

    def absent(self, of: Analysis) -> str:
        """Return why nothing is compared."""
        return "the run read no controls; run with --control shuffled --control random"

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield what the controls do to one metric, the first in focus that has any."""
        table = of.table(self.name)
        metric = next((name for name in of.focus if (table["metric"] == name).any()), None)
        chosen = table[table["metric"] == (metric or table["metric"].iloc[0])]
        for row in chosen.to_dict("records"):
            if not unknown(row["mean"]):
                yield (
                    f"{row['metric']}, {row['model']}: {row['original']:.3g} on prompts and "
                    f"{row['mean']:.3g} on their control {row['control']} (n = {row['n']})."
                )


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
