"""How far the predictions of models lie from those of the one that they are compared with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis.tables._compared import ComparedStep, Pair, estimated
from cortexscope.stats import Bounds, holm, max_t_paired

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cortexscope.analysis._analysis import Analysis

__all__ = ["QUANTILES", "ComparedPredictions"]

QUANTILES = {
    "max": 1.0, "q99_9": 0.999, "q99": 0.99, "q95": 0.95, "q90": 0.9, "median": 0.5,
    "q10": 0.1, "q05": 0.05, "q01": 0.01, "q00_1": 0.001, "min": 0.0,
}  # fmt: skip
"""Which share of the tokens lies at or below each column."""

_LISTS = ("kl", "log_p_base", "log_p", "same_top")


class ComparedPredictions(ComparedStep):
    """A row a pair of models and task, and one over all prompts, whose `task` is empty.

    `kl` is the Kullback-Leibler divergence of the model's distribution of the next token from the
    base's, `delta_p` by how much more probability the model gives to the token that comes next,
    `same_top` the share of tokens at which both hold the same one for the likeliest. Each is a mean
    over a prompt's tokens, then over prompts, with its interval over prompts; quantiles are over
    all tokens. `bits_difference` is the model's bits per byte less the base's, with the p-value of
    flipped signs, and `p_holm` that over the tasks. `perplexity_ratio` is exp of the mean
    difference in surprisal.
    """

    name = "compared_predictions"
    holds = "how far predictions lie from those of the model compared with"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair and task."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for pair in self.pairs(of):
            every = pair.predictions
            own = [self._row(of, pair, None, every)]
            tasks = list(dict.fromkeys(every["task"]))
            own += [self._row(of, pair, task, every[every["task"] == task]) for task in tasks]
            adjusted = holm([row["p"] for row in own[1:]])
            for row, p in zip(own, [own[0]["p"], *adjusted], strict=True):
                rows.append({**row, "p_holm": p})
        return pd.DataFrame(rows)

    def _row(
        self, of: Analysis, pair: Pair, task: str | None, rows: pd.DataFrame
    ) -> dict[str, Any]:
        known = rows[rows["kl"].notna()]
        clusters = known["cluster"].to_numpy()
        kl, base, other, same = (
            [np.asarray(own, dtype=np.float64) for own in known[name]] for name in _LISTS
        )
        delta = [np.exp(q) - np.exp(p) for p, q in zip(base, other, strict=True)]
        rng = of.stream(self.name, pair.base, pair.model, task or "")

        def of_tokens(
            name: str, tokens: list[NDArray[np.float64]], bounds: Bounds
        ) -> dict[str, float]:
            means = [float(own.mean()) for own in tokens]
            return estimated(name, means, clusters, rng=rng, bounds=bounds)

        apart = [float((p - q).mean()) for p, q in zip(base, other, strict=True)]
        one, two = (
            rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name in ("bits_per_byte", "bits_per_byte_base")
        )
        both = np.isfinite(one) & np.isfinite(two)
        test = max_t_paired(
            one - two,
            rows["cluster"].to_numpy(),
            rng=rng,
            permutations=of.settings.permutations,
        )
        return {
            **pair.names,
            "task": task,
            "prompts": len(set(clusters)),
            "tokens": sum(map(len, kl)),
            **of_tokens("kl", kl, (0, None)),
            **_quantiles("kl", kl),
            **of_tokens("same_top", same, (0, 1)),
            **of_tokens("delta_p", delta, (None, None)),
            "delta_p_rms": _root_mean_square(delta),
            **_quantiles("delta_p", delta),
            "perplexity_ratio": float(np.exp(np.mean(apart))) if apart else np.nan,
            "bits_base": float(two[both].mean()) if both.any() else np.nan,
            "bits": float(one[both].mean()) if both.any() else np.nan,
            **estimated("bits_difference", one - two, rows["cluster"].to_numpy(), rng=rng),
            "bits_prompts": rows.loc[both, "cluster"].nunique(),
            "p": float(test.p[0]),
            "reason": None if len(known) else _said(rows["reason"]),
            "bits_reason": None if both.any() else _said(rows["bits_reason"]),
        }

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield how far each model's predictions lie apart, over all prompts."""
        table = of.table(self.name)
        for row in table[table["task"].isna()].to_dict("records"):
            if np.isnan(row["kl"]):
                yield f"{row['model']} and {row['base']}: no KL divergence: {row['reason']}."
                continue
            yield (
                f"{row['model']} lies {row['kl']:.3g} nats a token from {row['base']} (KL), and "
                f"has the same likeliest token at {100 * row['same_top']:.1f} % of {row['tokens']} "
                "tokens."
            )


def _quantiles(name: str, tokens: list[NDArray[np.float64]]) -> dict[str, float]:
    every = np.concatenate(tokens) if tokens else np.array([np.nan])
    found = np.quantile(every, list(QUANTILES.values()))
    return {f"{name}_{key}": float(own) for key, own in zip(QUANTILES, found, strict=True)}


def _root_mean_square(tokens: list[NDArray[np.float64]]) -> float:
    return float(np.sqrt(np.mean(np.concatenate(tokens) ** 2))) if tokens else np.nan


def _said(reasons: pd.Series[Any]) -> str:
    """Return the reasons of prompts, each once, the most frequent first."""
    counts = reasons.dropna().value_counts()
    return "; ".join(map(str, counts.index)) or "no prompt was read"
