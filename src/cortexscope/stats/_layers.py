"""The vectors of prompts at each layer, checked, and averaged over paraphrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant, unit_means
from cortexscope.stats._length_curve import LengthCurve

__all__ = [
    "LayerVectors",
    "ReadUnits",
    "Stack",
    "UnitVectors",
    "layer_vectors",
    "left_by_length",
    "prompts_of",
    "read_units",
    "standardised",
    "unit_vectors",
    "without_length",
]

Floats = NDArray[np.float64]
Stack = NDArray[Any] | Sequence[ArrayLike | None]
"""[layer, prompt, feature], or [prompt, feature] of each layer; None where a layer is missing."""

_ROUNDING = 1e-9


class LayerVectors(NamedTuple):
    """The vectors of the prompts that have any."""

    layers: tuple[Floats | str, ...]
    """Of each layer, [prompt, feature], or why there are none."""
    known: NDArray[np.bool_]
    """Whether a prompt has a finite vector at any layer; only those are in `layers`."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadUnits:
    """Prompts, each with its paraphrases, as the units of inference."""

    codes: NDArray[np.intp]
    """Each unit's place in `tasks`, [unit]."""
    tasks: tuple[str, ...]
    places: NDArray[np.intp]
    """Each prompt's unit, [prompt]."""
    logs: Floats
    """Mean log length, [unit]."""
    basis: Floats
    """Mean of the columns of a curve in log tokens, [unit, column]."""
    shares: Floats
    """Mean of 1 / tokens, the weight of one token in the prompt's mean vector, [unit]."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def length_columns(self) -> Floats:
        """What is taken out of vectors where length is: centred columns, [unit, column]."""
        columns = np.column_stack([self.basis, self.shares])
        return np.asarray(columns - columns.mean(axis=0)) if len(columns) else columns

    @property
    def counts(self) -> NDArray[np.intp]:
        """Number of units of each task."""
        return np.bincount(self.codes, minlength=len(self.tasks))


class UnitVectors(NamedTuple):
    """The mean vectors of prompts and their paraphrases, a cluster of which is one unit."""

    layers: tuple[Floats | str, ...]
    """Of each layer, [unit, feature], or why there are none."""
    units: ReadUnits
    """Their tasks and lengths."""
    left_out: int
    """Prompts without a finite vector at any layer."""


def unit_vectors(
    vectors: Stack, tasks: ArrayLike, clusters: ArrayLike | None, n_tokens: ArrayLike
) -> UnitVectors:
    """Return the mean vectors of clusters, in the order of their names.

    Raises:
        UsageError: if shapes do not fit, or prompts of one cluster have different tasks.
    """
    prompts = prompts_of(tasks, clusters, n_tokens)
    layers, known = layer_vectors(vectors, len(prompts))
    prompts = prompts.loc[known]
    units = read_units(prompts)
    order = np.argsort(units.places, kind="stable")
    starts = np.searchsorted(units.places[order], np.arange(len(units)))
    sizes = np.bincount(units.places, minlength=len(units))[:, None]
    means = tuple(
        values if isinstance(values, str) else np.add.reduceat(values[order], starts) / sizes
        for values in layers
    )
    return UnitVectors(means, units, int((~known).sum()))


def without_length(values: Floats | str, units: ReadUnits) -> Floats | str:
    """Return features with what length does to them, whatever the task, taken out.

    What is fitted and taken out is a curve in log tokens, and 1 / tokens times a constant, as one
    token, such as the first, adds to a mean over tokens.

    Args:
        values: [unit, feature], each feature's mean being kept, or why there are none.
        units: with the curve.
    """
    if isinstance(values, str):
        return values
    away = units.length_columns
    left = values - away @ np.linalg.lstsq(away, values, rcond=1e-9)[0]
    spread = np.linalg.norm(left - left.mean(axis=0))
    if spread <= _ROUNDING * np.linalg.norm(values - values.mean(axis=0)):
        return "length alone explains every vector"
    return np.asarray(left)


def left_by_length(units: ReadUnits) -> Floats:
    """Return how far apart `without_length` puts vectors that mean nothing, 1 - correlation.

    Around 1, and more where two prompts, such as the two longest, bend the curve together.
    """
    directions, sizes, _ = np.linalg.svd(units.length_columns, full_matrices=False)
    directions = directions[:, sizes > _ROUNDING * max(sizes.max(initial=0.0), 1.0)]
    left = np.eye(len(units)) - 1.0 / len(units) - directions @ directions.T
    spread = np.sqrt(np.maximum(np.diag(left), _ROUNDING))
    return np.asarray(np.round(1.0 - left / np.outer(spread, spread), 12))


def standardised(values: Floats) -> Floats:
    """Return features of mean 0 and deviation 1, 0 where all are the same, [unit, feature].

    A few features of a language model are a hundred times as large as the others, and where they
    are averaged over tokens they count them; as they are they would decide every distance.
    """
    spread = values.std(axis=0)
    vary = spread > _ROUNDING * np.abs(values.mean(axis=0))
    return np.asarray(
        np.where(vary, values - values.mean(axis=0), 0.0) / np.where(vary, spread, 1.0)
    )


def prompts_of(tasks: ArrayLike, clusters: ArrayLike | None, n_tokens: ArrayLike) -> pd.DataFrame:
    """Return a row a prompt: `task`, `cluster`, which is the prompt itself where None, `n_tokens`.

    Raises:
        UsageError: if they differ in length.
    """
    names, lengths = np.asarray(tasks).astype(str), np.asarray(n_tokens, dtype=np.float64)
    own = (np.arange(len(names)) if clusters is None else np.asarray(clusters)).astype(str)
    if not len(names) == len(own) == len(lengths):
        raise UsageError(
            f"Every prompt needs a task, a cluster and its number of tokens; there are "
            f"{len(names)}, {len(own)} and {len(lengths)} of them."
        )
    return pd.DataFrame({"task": names, "cluster": own, "n_tokens": lengths})


def read_units(prompts: pd.DataFrame) -> ReadUnits:
    """Return the clusters of prompts, in the order of their names.

    Raises:
        UsageError: if prompts of one cluster have different tasks, or a length is not positive.
    """
    names = prompts["cluster"].to_numpy(dtype=str)
    clusters, places = np.unique(names, return_inverse=True)
    tasks, codes = np.unique(prompts["task"].to_numpy(dtype=str), return_inverse=True)
    of_units = np.zeros(len(clusters), dtype=np.intp)
    of_units[places] = codes
    mixed = of_units[places] != codes
    if mixed.any():
        raise UsageError(f"The prompts of cluster {names[mixed][0]!r} have different tasks.")
    lengths = prompts["n_tokens"].to_numpy(dtype=np.float64)
    curve = LengthCurve.over(lengths)
    return ReadUnits(
        of_units, tuple(str(task) for task in tasks), places, unit_means(np.log(lengths), names),
        unit_means(curve.columns(lengths), names), unit_means(1.0 / lengths, names),
    )  # fmt: skip


def layer_vectors(vectors: Stack, prompts: int) -> LayerVectors:
    """Return each layer's vectors, of prompts that have a finite one at any layer.

    Raises:
        UsageError: if a layer is no [prompt, feature] array of that many prompts.
    """
    layers = [None if layer is None else np.asarray(layer, dtype=np.float64) for layer in vectors]
    finite = np.zeros((len(layers), prompts), dtype=bool)
    for index, layer in enumerate(layers):
        if layer is None:
            continue
        if layer.ndim != 2 or len(layer) != prompts:
            raise UsageError(
                f"Layer {index} needs one vector for each of {prompts} prompts, and has the shape "
                f"{layer.shape}."
            )
        finite[index] = np.isfinite(layer).all(axis=1)
    known = np.asarray(finite.any(axis=0))
    found: list[Floats | str] = []
    for layer, row in zip(layers, finite, strict=True):
        lost = int((known & ~row).sum())
        if layer is None or not row.any():
            found.append("there are no vectors at this layer")
        elif lost:
            found.append(f"{lost} of {known.sum()} prompts have no finite vector at this layer")
        elif all(constant(column) for column in layer[known].T):
            found.append("all prompts have the same vector")
        else:
            found.append(layer[known])
    return LayerVectors(tuple(found), known)
