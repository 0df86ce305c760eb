"""How far every metric of models lies from that of the one that they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis._scopes import bounds_of
from cortexscope.analysis.tables._compared import ComparedStep
from cortexscope.stats import benjamini_hochberg, difference_interval, model_effect

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["ComparedMetrics"]

_ALPHA = 0.05


class ComparedMetrics(ComparedStep):
    """A row a pair of models and metric: the mean difference of a prompt's values, model less base.

    `p` is that of signs flipped prompt by prompt, each model at the same length where tokenizers
    make other lengths (`stats.model_effect`), and `p_bh` counts the metrics (Benjamini and
    Hochberg).
    """

    name = "compared_metrics"
    holds = "how far each metric lies from that of the model compared with"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair and metric."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for pair in self.measured(of):
            own = [
                {**pair.names, "metric": str(metric), **_row(of, frame, pair.base, pair.model)}
                for metric, frame in of.read.groupby("metric", sort=False, observed=True)
            ]
            adjusted = benjamini_hochberg([row["p"] for row in own])
            rows += [{**row, "p_bh": p} for row, p in zip(own, adjusted, strict=True)]
        return pd.DataFrame(rows)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield in how many metrics each model differs."""
        table = of.table(self.name)
        for (base, model), own in table.groupby(["base", "model"], sort=False):
            known = own[own["p_bh"].notna()]
            clear = known[known["p_bh"] <= _ALPHA]
            yield f"{model} differs from {base} in {len(clear)} of {len(own)} metrics."


def _row(of: Analysis, frame: pd.DataFrame, base: str, model: str) -> dict[str, Any]:
    metric = str(frame["metric"].iloc[0])
    columns = ["model", "metric", "task", "prompt_id", "cluster", "n_tokens", "value"]
    pair = frame[frame["model"].isin([base, model])]
    bounds = bounds_of(frame)
    pair = pair.assign(model=pair["model"].astype(str))[columns]
    wide = pair.pivot(index=["cluster", "prompt_id"], columns="model", values="value")
    wide = wide.reindex(columns=[base, model]).dropna()
    clusters = wide.index.get_level_values("cluster").astype(str).to_numpy()
    one, two = (wide[name].to_numpy(dtype=np.float64) for name in (model, base))
    found = difference_interval(one, two, clusters=(clusters, clusters), paired=True, bounds=bounds)
    cells: dict[str, Any] = {
        "base_mean": float(two.mean()) if len(two) else np.nan,
        "mean": float(one.mean()) if len(one) else np.nan,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "prompts": found.n,
        "p": np.nan,
    }
    if len(wide) < 2:
        return {**cells, "reason": "fewer than two prompts have a value in both models"}
    texts = ("task", "prompt_id", "cluster", "metric")
    effect = model_effect(
        pair.astype(dict.fromkeys(texts, str)),
        rng=of.stream("compared_metrics", metric, base, model),
        permutations=of.settings.permutations,
    )
    p = effect.adjusted.p
    return {**cells, "p": np.nan if p is None else p, "reason": effect.adjusted.reason}
