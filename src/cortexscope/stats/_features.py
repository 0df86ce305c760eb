"""What a probe is given of the prompts: a layer's vectors, their lengths, or their words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._length_curve import LengthCurve

__all__ = ["Features", "length_features", "vector_features", "word_features"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Features = Callable[[Places, Places], tuple[Any, Any]]
"""Numbers of the training and of the held-out prompts -> the features of both, [prompt, feature],
with what is fitted fitted on the training prompts, whose squared length is 1 on average."""

_COMPONENTS = 100
_WORDS = r"\w+|[^\w\s]"
_ROUNDING = 1e-9


def length_features(n_tokens: Floats, *, beside: Floats | None = None) -> Features | str:
    """Return the columns of a curve in log tokens, standardised, or why there are none.

    Args:
        n_tokens: of each prompt.
        beside: one further number a prompt, as a column of its own.
    """
    if len(np.unique(n_tokens)) < 2 and beside is None:
        return "all prompts have one length"

    def features(train: Places, test: Places) -> tuple[Any, Any]:
        curve = LengthCurve.over(n_tokens[train])
        known, asked = (curve.columns(n_tokens[rows]) for rows in (train, test))
        if beside is not None:
            known = np.column_stack([known, beside[train]])
            asked = np.column_stack([asked, beside[test]])
        return _scaled(known, asked)

    return features


def word_features(texts: Sequence[str]) -> Features | str:
    """Return which words and marks a text has, by tf-idf, or why there are none."""
    if not all(text.strip() for text in texts):
        return "a prompt has no text"
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = np.array(texts, dtype=object)

    def features(train: Places, test: Places) -> tuple[Any, Any]:
        bag = TfidfVectorizer(token_pattern=_WORDS, sublinear_tf=True)
        return bag.fit_transform(rows[train]), bag.transform(rows[test])

    return features


def vector_features(values: Floats) -> Features:
    """Return the first principal components of standardised vectors, [prompt, feature]."""
    from scipy.linalg import eigh

    def features(train: Places, test: Places) -> tuple[Any, Any]:
        known, asked = _scaled(values[train], values[test])
        n, width = known.shape
        square = known @ known.T if n <= width else known.T @ known
        count = min(_COMPONENTS, n - 1, width)
        sizes, sides = eigh(square, subset_by_index=[len(square) - count, len(square) - 1])
        vary = sizes > _ROUNDING * sizes[-1]
        if not vary.any():
            return known[:, :1], asked[:, :1]
        axes = sides[:, vary] if n > width else known.T @ sides[:, vary] / np.sqrt(sizes[vary])
        return known @ axes, asked @ axes

    return features


def _scaled(known: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Return features of mean 0 and one deviation over the known prompts, or a column of 0."""
    centre, spread = known.mean(axis=0), known.std(axis=0)
    vary = spread > _ROUNDING * np.abs(centre)
    if not vary.any():
        return np.zeros((len(known), 1)), np.zeros((len(asked), 1))
    scale = spread[vary] * np.sqrt(vary.sum())
    return (known[:, vary] - centre[vary]) / scale, (asked[:, vary] - centre[vary]) / scale
