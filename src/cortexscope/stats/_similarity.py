"""Whether two models, or two layers, hold the same prompts to be alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.stats._alignment import linear_cka
from cortexscope.stats._layers import (
    Stack,
    UnitVectors,
    layer_vectors,
    left_by_length,
    prompts_of,
    standardised,
    unit_vectors,
    without_length,
)
from cortexscope.stats._permutation import bins_of, shuffles
from cortexscope.stats._separation import max_t_of

__all__ = ["Similarity", "distance_correlation", "representational_similarity"]

Floats = NDArray[np.float64]

_FEWEST = 5
# Below this norm what is left of centred ranks or vectors is rounding.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """How alike layers are, raw and with the prompts' lengths taken out."""

    pairs: pd.DataFrame
    """A row a pair of layers: layer (of the first model), other (of the second; with one model,
    each pair once), rho, p, p_max_t, adjusted, adjusted_p, adjusted_p_max_t, cka, cka_adjusted,
    reason. `p_max_t` counts every pair as a chance to find something; a p-value is never 0."""
    length: pd.DataFrame
    """How far a layer sees length: model (0 or 1), layer, rho with the difference in log tokens
    (NaN where all have one length), reason."""
    n: int
    """Prompts; paraphrases of one count as one."""
    left_out: int
    """Prompts without a finite vector in a model, and units beyond the most that are taken."""
    method: str
    """How similarities and p-values were found."""


def representational_similarity(
    first: Stack,
    second: Stack | None = None,
    clusters: ArrayLike | None = None,
    *,
    n_tokens: ArrayLike,
    rng: np.random.Generator,
    permutations: int = 500,
    most: int = 200,
) -> Similarity:
    """Return how alike the layers of two models, or of one, see the prompts, -1 to 1.

    Two prompts are as far apart in a layer as 1 - the correlation of their vectors, of which each
    feature is standardised over prompts; rho is Spearman's correlation of two layers' distances
    over all pairs of prompts. It is 1 where both order the pairs alike, whatever the size and
    meaning of their features. p is the share of exchanges of the prompts in the second model that
    reach it (Mantel's test).

    Adjusted: a curve in log tokens and a multiple of 1 / tokens, which the first token adds to a
    mean, are taken out of every feature first. rho is the partial correlation given the difference
    in log tokens and what taking length out does to vectors that mean nothing, and prompts are
    exchanged within bins of about equal length, so that two models that see nothing but length are
    found alike hardly more often than chance has it: in simulations, p is at most 0.05 in 8 % of
    samples of 60 prompts and 5 % of 168 or 504.

    Beside them stands debiased linear CKA (`linear_cka`) of the same vectors, as they are and with
    length taken out, which large features decide where rho lets each feature count alike.

    Args:
        first: the first model's vectors, [layer, prompt, feature]; NaN or None where there are
            none.
        second: the second model's for the same prompts; None compares the first model's layers.
        clusters: what each prompt belongs to, such as its source; each its own where None. The
            vectors of a cluster are averaged.
        n_tokens: of each prompt; for two tokenizers, their geometric mean.
        rng: draws the exchanges, and the clusters where there are more than `most`.
        permutations: how many exchanges.
        most: how many clusters are taken at most, since time grows with their square.

    Raises:
        UsageError: if shapes do not fit.

    Example:
        >>> points = [[[0.0, 1, 0], [1, 0, 0], [3, 1, 2], [0, 1, 5], [2, 2, 1]]]
        >>> larger = [[[3 * value for value in point] for point in points[0]]]
        >>> found = representational_similarity(
        ...     points, larger, n_tokens=[5] * 5, rng=np.random.default_rng(0)
        ... )
        >>> found.pairs.rho.round(6).tolist()
        [1.0]
    """
    stacks, lost = _same_prompts([first] if second is None else [first, second], clusters, n_tokens)
    units = len(stacks[0].units)
    taken = np.arange(units)
    if units > most:
        taken = np.sort(rng.choice(units, most, replace=False))
    logs = stacks[0].units.logs[taken]
    apart = np.abs(logs[:, None] - logs)
    pull = left_by_length(stacks[0].units)[np.ix_(taken, taken)]
    given = _centred(np.array([_ranks(apart), _ranks(pull), _upper(pull)]))
    raw = [_Order.of(stack.layers, taken) for stack in stacks]
    without = [[without_length(layer, own.units) for layer in own.layers] for own in stacks]
    adjusted = [_Order.of(layers, taken) for layers in without]
    bins = bins_of(logs, 1)
    pairs = _pairs(raw, shuffles(np.zeros_like(bins), permutations, rng=rng))
    adjusted = [order.given(given) for order in adjusted]
    beside = _pairs(adjusted, shuffles(bins, permutations, rng=rng))
    raw_cka, adjusted_cka = (
        linear_cka(
            [[layer if isinstance(layer, str) else layer[taken] for layer in own] for own in every]
        )
        for every in ([stack.layers for stack in stacks], without)
    )
    one, two = pairs["layer"].to_numpy(), pairs["other"].to_numpy()
    pairs = pairs.assign(
        adjusted=beside["rho"], adjusted_p=beside["p"], adjusted_p_max_t=beside["p_max_t"],
        cka=raw_cka[one, two], cka_adjusted=adjusted_cka[one, two],
        reason=pairs["reason"].where(pairs["reason"].notna(), beside["reason"]),
    )  # fmt: skip
    method = (
        f"Spearman's rho of 1 - correlation of standardised features; {permutations} exchanges of "
        f"prompts, adjusted ones within {len(np.unique(bins))} length bins"
    )
    left_out = lost + units - len(taken)
    return Similarity(pairs, _seen_length(raw, given[0]), len(taken), left_out, method)


def distance_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's correlation of two layers' distances between prompts (RSA), -1 to 1.

    The rho of `representational_similarity`, of two layers alone and without its tests.

    Args:
        first: [prompt, feature].
        second: of the same prompts, with features of its own, [prompt, other feature].

    Returns:
        NaN where there are fewer than five prompts, or their distances are all the same.
    """
    everyone = np.arange(len(first))
    one, two = (_Order.of([layer], everyone).ranks[0] for layer in (first, second))
    return float(one @ two) if len(one) else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """How the layers of a model order the pairs of prompts by their distance."""

    ranks: Floats
    """Centred ranks of norm 1, [layer, pair]; NaN where undefined."""
    reasons: tuple[str | None, ...]

    @classmethod
    def of(cls, layers: Sequence[Floats | str], taken: NDArray[np.intp]) -> _Order:
        found = [
            f"there are fewer than {_FEWEST} prompts"
            if len(taken) < _FEWEST
            else _distances(layer, taken)
            for layer in layers
        ]
        nothing = np.full(len(taken) * (len(taken) - 1) // 2, np.nan)
        rows = [nothing if isinstance(layer, str) else _centred(_ranks(layer)) for layer in found]
        reasons = tuple(layer if isinstance(layer, str) else None for layer in found)
        return cls(np.array(rows).reshape(len(found), len(nothing)), reasons)

    def given(self, rows: Floats) -> _Order:
        """Return the order with what other quantities, [row, pair], account for taken out."""
        known = rows[~np.isnan(rows).any(axis=1)]
        fitted = (self.ranks @ np.linalg.pinv(known)) @ known
        return _Order(_centred(self.ranks - fitted), self.reasons)


def _distances(layer: Floats | str, taken: NDArray[np.intp]) -> Floats | str:
    """Return 1 - the correlation of each two prompts' vectors, or why there is none."""
    if isinstance(layer, str):
        return layer
    values = standardised(layer[taken])
    away = values - values.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(away, axis=1, keepdims=True)
    if (sizes <= _NOTHING).any():
        return "a prompt has the same value in every feature"
    away /= sizes
    # Equal distances differ in their last digits, which must not rank them.
    return np.asarray(np.round(1.0 - away @ away.T, 12))


def _ranks(distances: Floats) -> Floats:
    """Return the ranks of pairs by distance, [pair]."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(_upper(distances)))


def _upper(distances: Floats) -> Floats:
    return np.asarray(distances[np.triu_indices(len(distances), 1)])


def _centred(rows: Floats) -> Floats:
    """Return rows centred and divided by their norm, NaN where they are constant."""
    away = rows - rows.mean(axis=-1, keepdims=True) if rows.size else rows
    sizes = np.linalg.norm(away, axis=-1, keepdims=True)
    return np.asarray(away / np.where(sizes > _NOTHING, sizes, np.nan))


def _same_prompts(
    stacks: Sequence[Stack], clusters: ArrayLike | None, n_tokens: ArrayLike
) -> tuple[list[UnitVectors], int]:
    """Return the vectors of prompts that every model has some for, and how many others exist."""
    lengths = np.asarray(n_tokens, dtype=np.float64)
    prompts = prompts_of(np.full(len(lengths), ""), clusters, lengths)
    known = np.logical_and.reduce([layer_vectors(stack, len(prompts)).known for stack in stacks])
    rows = [prompts[name].to_numpy()[known] for name in ("task", "cluster", "n_tokens")]
    return [
        unit_vectors(
            [None if layer is None else np.asarray(layer)[known] for layer in stack], *rows
        )
        for stack in stacks
    ], int((~known).sum())


def _pairs(orders: list[_Order], exchanges: NDArray[np.intp]) -> pd.DataFrame:
    ours, theirs = orders[0], orders[-1]
    one, two = np.indices((len(ours.reasons), len(theirs.reasons))).reshape(2, -1)
    if len(orders) == 1:
        one, two = one[one < two], two[one < two]
    reasons = [ours.reasons[i] or theirs.reasons[j] for i, j in zip(one, two, strict=True)]
    found = _correlations(ours.ranks, theirs.ranks, exchanges)[:, one, two]
    found[:, [reason is not None for reason in reasons]] = np.nan
    p, p_max_t = max_t_of(found[0], found[1:])
    frame = pd.DataFrame({"layer": one, "other": two, "rho": found[0], "p": p, "p_max_t": p_max_t})
    return frame.assign(reason=pd.Series(reasons, dtype=object))


def _seen_length(orders: list[_Order], lengths: Floats) -> pd.DataFrame:
    rows = [
        (model, layer, rho, reason or ("all prompts have one length" if np.isnan(rho) else None))
        for model, order in enumerate(orders)
        for layer, (rho, reason) in enumerate(
            zip(order.ranks @ lengths, order.reasons, strict=True)
        )
    ]
    return pd.DataFrame(rows, columns=["model", "layer", "rho", "reason"])


def _correlations(first: Floats, second: Floats, exchanges: NDArray[np.intp]) -> Floats:
    """Return correlations as found and under each exchange, [1 + exchange, layer, layer]."""
    n = exchanges.shape[1]
    one, two = np.triu_indices(n, 1)
    number = np.zeros((n, n), dtype=np.intp)
    number[one, two] = number[two, one] = np.arange(len(one))
    found = np.empty((len(exchanges) + 1, len(first), len(second)))
    found[0] = first @ second.T
    single, rows = first.astype(np.float32), second.T.astype(np.float32, order="C")  # [pair, layer]
    for place, order in enumerate(exchanges):
        found[place + 1] = single @ rows[number[order[one], order[two]]]
    return found
