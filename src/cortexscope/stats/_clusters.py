"""The unit of inference: a prompt together with its paraphrases and controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["checked_frame", "constant", "unit_means", "unknown_spread"]

Floats = NDArray[np.float64]

_COLUMNS = ("model", "task", "prompt_id", "cluster", "value")
# Below this spread relative to the mean, what varies is rounding (the limit scipy warns at).
_CONSTANT = 1e-13


def unit_means(values: ArrayLike, clusters: Sequence[Any] | NDArray[Any] | None = None) -> Floats:
    """Return the mean of each cluster's finite values, clusters in the order of their names.

    So a prompt counts once however many paraphrases it has, and what is left are independent units.

    Args:
        values: [prompt] or [prompt, position].
        clusters: what each prompt belongs to, such as its source prompt, [prompt]; each prompt is
            its own, in the order given, where None.

    Returns:
        [unit] or [unit, position]; NaN where a cluster has no finite value.

    Raises:
        UsageError: if `values` has another shape, or `clusters` another length.

    Example:
        >>> unit_means([1, 3, 8], ["a", "a", "b"]).tolist()
        [2.0, 8.0]
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim not in (1, 2):
        raise UsageError(
            f"Values have one row a prompt and at most one column a position, not the shape "
            f"{table.shape}."
        )
    if clusters is not None and len(clusters) != len(table):
        raise UsageError(f"{len(table)} values need as many clusters, and have {len(clusters)}.")
    known = np.isfinite(table)
    if clusters is None:
        return np.where(known, table, np.nan)
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = np.zeros((2, len(names), *table.shape[1:]))
    np.add.at(sums, member, np.where(known, table, 0.0))
    np.add.at(counts, member, known)
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)


def constant(values: Floats) -> bool:
    """Return whether what varies in values, of which there is at least one, is rounding."""
    centre = float(values.mean())
    spread = float(np.linalg.norm(values - centre))
    return spread <= _CONSTANT * abs(centre) * math.sqrt(len(values))


def unknown_spread(values: Floats) -> str | None:
    """Return why finite values, [unit], tell nothing about their spread; None where they do."""
    if len(values) == 0:
        return "no prompt has a value"
    if len(values) == 1:
        return "one prompt tells nothing about the spread"
    return "all prompts have the same value" if constant(values) else None


def checked_frame(frame: pd.DataFrame, *, places: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the rows of a values frame that have a value.

    Args:
        frame: `model`, `task`, `prompt_id`, `cluster`, `value` of one metric.
        places: further columns, such as `layer`, that tell the values of one prompt apart.

    Raises:
        UsageError: if a column is missing, or a model has two values for one prompt and place.
    """
    missing = [name for name in (*_COLUMNS, *places) if name not in frame.columns]
    if missing:
        raise UsageError(f"A values frame lacks the columns {', '.join(missing)}.")
    known: pd.DataFrame = frame.loc[
        np.isfinite(frame["value"].to_numpy(dtype=np.float64, na_value=np.nan))
    ]
    twice = known.duplicated(["model", "prompt_id", *places])
    if twice.any():
        raise UsageError(
            f"A values frame has prompt {known.loc[twice, 'prompt_id'].iloc[0]!r} twice for one "
            f"model; give one metric."
        )
    return known
