"""How strongly metrics follow the length of the prompts, a model at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cortexscope.report._frames import RunFrames
from cortexscope.stats import Estimate, pearson

__all__ = ["NORMALIZED_ENTROPY", "STUDY_ENTROPY", "length_correlation", "r_of"]

STUDY_ENTROPY = "study.attention_entropy"
NORMALIZED_ENTROPY = "attention_entropy_normalized"


def length_correlation(
    frames: RunFrames, model: str, metric: str, tasks: Collection[str] = ()
) -> Estimate:
    """Return the correlation over prompts of a metric with the number of tokens.

    Both are those of the model's primary stack.
    Where it is undefined, the reason is that of the missing values if the metric has none at all.

    Args:
        frames: of the run.
        model: its label.
        metric: its name.
        tasks: over the prompts of these, of all where empty.
    """
    rows = frames.values_of(model, metric)
    rows = rows[rows["task"].isin(tasks)] if tasks else rows
    found = pearson(
        rows["n_tokens"].to_numpy(dtype="float64", na_value=float("nan")),
        rows["value"].to_numpy(dtype="float64"),
        names=("the number of tokens", "the metric"),
    )
    if found.n:
        return found
    missing = frames.primary_missing([metric])
    why = missing.loc[missing["model"] == model, "reason"]
    return replace(found, reason="; ".join(dict.fromkeys(why)) or "not measured")


def r_of(found: Estimate) -> str:
    """Return such as `r = 0.980 [0.973, 0.985], n = 168`."""
    return f"r = {found:.3f}, n = {found.n}"
