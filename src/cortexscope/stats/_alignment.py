"""Linear centred kernel alignment of layers, without the bias that few prompts give it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_cka", "procrustes_distance"]

Floats = NDArray[np.float64]

_FEWEST = 4
# Below this share of what the states' own products have, what varies is rounding.
_NOTHING = 1e-12


def linear_cka(stacks: Sequence[Sequence[Floats | str]]) -> Floats:
    """Return the debiased linear CKA of each layer of the first model with each of the last.

    HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of the products K and L of the prompts' vectors in two
    layers (Kornblith et al. 2019, Similarity of neural network representations revisited, arXiv
    1905.00414), HSIC by its estimate without bias (Song et al. 2012, Feature selection via
    dependence maximization, JMLR 13). 1 where layers differ by a rotation, a shift and a scale; 0
    on average where they have nothing in common, so that single values can be below 0.

    Args:
        stacks: one model or two, each layer [prompt, feature], or why there is none; the same
            prompts in all.

    Returns:
        [layer, other layer]; NaN where a layer has no vectors, all prompts have the same one, or
        there are fewer than four prompts.

    Example:
        >>> turned = [[0.0, 1], [1, 0], [2, 2], [5, 3], [4, 0]]
        >>> one, other = np.array(turned), 3 * np.array(turned)[:, ::-1] + 1
        >>> linear_cka([[one], [other]]).round(6).tolist()
        [[1.0]]
    """
    sides = [[_products(layer) for layer in stack] for stack in (stacks[0], stacks[-1])]
    size = max((own.size for side in sides for own in side), default=0)
    if not size:
        return np.full((len(sides[0]), len(sides[1])), np.nan)
    rows, columns = (
        np.array([own if own.size else np.full(size, np.nan) for own in side]) for side in sides
    )
    norms = [np.linalg.norm(own, axis=1) for own in (rows, columns)]
    one, other = (np.where(own > 0, own, np.nan) for own in norms)
    return np.asarray((rows @ columns.T / one[:, None] / other).clip(-1.0, 1.0))


def procrustes_distance(first: Floats, second: Floats) -> float:
    """Return how far two layers lie apart after the best shift, scale and rotation, 0 to 1.

    1 - |X'Y|* / (|X| |Y|), of centred vectors, |.|* being the sum of singular values (Williams et
    al. 2021, Generalized Shape Metrics on Neural Representations, arXiv 2110.14739). 0 where the
    layers differ by a rotation, a shift and a scale alone.

    Args:
        first: [prompt, feature].
        second: of the same prompts, with features of its own, [prompt, other feature].

    Returns:
        NaN where a layer is the same for all prompts, or there are fewer than two.

    Example:
        >>> turned = np.array([[0.0, 1], [1, 0], [2, 2]])
        >>> round(procrustes_distance(turned, 3 * turned[:, ::-1] + 1), 6)
        0.0
    """
    if len(first) < 2:
        return float("nan")
    one, two = (np.asarray(own, dtype=np.float64) for own in (first, second))
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    sizes = np.linalg.norm(one), np.linalg.norm(two)
    if min(sizes) <= _NOTHING * max(np.linalg.norm(first), np.linalg.norm(second)):
        return float("nan")
    # Of the prompts' products, which are no larger than the number of prompts squared: the
    # singular values of X'Y are those of the product of both sides' roots.
    values = np.linalg.svd(_root(one) @ _root(two).T, compute_uv=False)
    return float(max(0.0, 1.0 - values.sum() / sizes[0] / sizes[1]))


def _root(centred: Floats) -> Floats:
    """Return R with R'R = X X', [prompt or feature, prompt], whichever is smaller."""
    if centred.shape[1] <= centred.shape[0]:
        return np.asarray(centred.T)
    return np.asarray(np.linalg.qr(centred.T, mode="r"))


def _products(layer: Floats | str) -> Floats:
    """Return the products of each two prompts, flat, so that those of layers give HSIC.

    Off the diagonal each entry less its row's and column's mean, by the counts that leave no bias;
    empty where undefined.
    """
    if isinstance(layer, str) or len(layer) < _FEWEST:
        return np.empty(0)
    n = len(layer)
    away = np.asarray(layer, dtype=np.float64) - layer.mean(axis=0)
    if np.linalg.norm(away) <= _NOTHING * np.linalg.norm(layer):
        return np.empty(0)
    products = away @ away.T
    np.fill_diagonal(products, 0.0)
    means = products.sum(axis=0) / (n - 2)
    products += products.sum() / ((n - 1) * (n - 2)) - means - means[:, None]
    np.fill_diagonal(products, 0.0)
    return np.asarray(products.ravel())
