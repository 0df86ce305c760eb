"""How strongly metrics follow the length of the prompts, a model at a time."""

from __future__ import annotations

from cortexscope.report._frames import RunFrames
from cortexscope.stats import Correlation, pearson

__all__ = ["NORMALIZED_ENTROPY", "STUDY_ENTROPY", "length_correlation"]

STUDY_ENTROPY = "study.attention_entropy"
NORMALIZED_ENTROPY = "attention_entropy_normalized"


def length_correlation(frames: RunFrames, model: str, metric: str) -> Correlation:
    """Return the correlation over prompts of a metric with the number of tokens.

    Both are those of the model's primary stack.
    Where it is undefined, the reason is that of the missing values if the metric has none at all.
    """
    values = frames.values([metric])
    rows = values[values["model"] == model]
    found = pearson(
        rows["n_tokens"].to_numpy(dtype="float64", na_value=float("nan")),
        rows["value"].to_numpy(dtype="float64"),
        names=("the number of tokens", "the metric"),
    )
    if found.n:
        return found
    missing = frames.primary_missing([metric])
    why = missing.loc[missing["model"] == model, "reason"]
    return Correlation(None, None, None, 0, "; ".join(dict.fromkeys(why)) or "not measured")
