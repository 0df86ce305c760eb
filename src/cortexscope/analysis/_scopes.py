"""Whose values a statistic is of: each model's, and those of all models on one scale."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.stats import Bounds

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IN_UNITS",
    "STANDARDISED",
    "bounds_of",
    "by_scope",
    "scopes",
    "stream",
    "unknown",
    "with_units",
]

STANDARDISED = "all models, standardised"
"""The scope in which a prompt's value is its mean over the models, each model's values less its
mean and over its standard deviation, so that all weigh the same."""

IN_UNITS = "all models, in the metric's unit"
"""The scope in which models are compared with one another."""


def scopes(values: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield each metric's frame of each model, and of all together where there are several.

    Args:
        values: as `prompt_values` gives them.

    Yields:
        Metric, scope (a model, or `STANDARDISED`), frame; the functions of `stats` standardise.
    """
    for metric, frame in values.groupby("metric", sort=False):
        models = list(dict.fromkeys(frame["model"]))
        for model in models:
            yield str(metric), str(model), frame[frame["model"] == model]
        if len(models) > 1:
            yield str(metric), STANDARDISED, frame


def by_scope(values: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield the same, all metrics of a scope after each other, so that they can share what it has.

    Such as its prompts' permutations, which are too large to be kept for all scopes.
    """
    for model, own in values.groupby("model", sort=False):
        for metric, frame in own.groupby("metric", sort=False):
            yield str(metric), str(model), frame
    for metric, frame in values.groupby("metric", sort=False):
        if frame["model"].nunique() > 1:
            yield str(metric), STANDARDISED, frame


def with_units(values: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield the same, and after each metric's standardised frame that in the metric's unit."""
    for metric, scope, frame in scopes(values):
        yield metric, scope, frame
        if scope == STANDARDISED:
            yield metric, IN_UNITS, frame


def bounds_of(frame: pd.DataFrame) -> Bounds:
    """Return the lowest and the highest value that a frame's one metric can have.

    Args:
        frame: as `prompt_values` gives it, of one metric.
    """
    ends = (float(frame[name].iloc[0]) for name in ("lowest", "highest"))
    low, high = (None if np.isnan(end) else end for end in ends)
    return low, high


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the random numbers of what is named: the same whatever else is computed.

    Example:
        >>> stream(0, "means", "raw").integers(9, size=3).tolist()
        [3, 2, 0]
    """
    return np.random.default_rng([seed, zlib.crc32("\0".join(names).encode())])


def unknown(value: object) -> bool:
    """Return whether a cell of a table is undefined."""
    return value is None or value != value
