"""The units of inference: prompts with their paraphrases, read by every model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._clusters import constant
from cortexscope.stats._length_curve import LengthCurve

__all__ = ["Units", "coded", "known_rows", "units_of"]

_Part = TypeVar("_Part")

_COLUMNS = ("model", "task", "prompt_id", "cluster", "n_tokens", "value")
_WITHIN = "the lengths vary too little within tasks to tell what length does"


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Clusters of prompts that every model has a value for; a cluster is one unit."""

    values: NDArray[np.float64]
    """Mean over the cluster's prompts, [unit, model]."""
    bases: tuple[NDArray[np.float64], ...]
    """For each model, the mean over the cluster's prompts of the curve's columns, [unit, column].
    A model has its own, for its tokenizer's lengths and what they do to its values."""
    curves: tuple[LengthCurve, ...]
    """For each model, the curve whose columns those are."""
    typical: tuple[NDArray[np.float64], ...]
    """For each model, the curve's columns at its mean log length."""
    shared: tuple[NDArray[np.float64], ...]
    """For each model, the mean over the cluster's prompts of the curve's columns at the mean of
    the prompt's log lengths in all models, [unit, column]."""
    logs: NDArray[np.float64]
    """Mean log length over the cluster's prompts and the models, [unit]."""
    codes: NDArray[np.intp]
    """Each unit's place in `tasks`, [unit]."""
    tasks: tuple[str, ...]
    models: tuple[str, ...]
    clusters: tuple[str, ...]
    """The name of each unit's cluster, [unit]."""
    left_out: int
    """Clusters without a prompt that every one of these models has a value for."""
    scale: str = ""
    """How the values of several models were made comparable; empty where they were not."""
    blocks: NDArray[np.intp] | None = None
    """Each unit's block, from 0, where tasks are compared inside of blocks alone, [unit]."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Number of units of each task."""
        return np.bincount(self.codes, minlength=len(self.tasks))

    @property
    def starts(self) -> NDArray[np.intp]:
        """Place of each task's first unit, where the units of a task lie side by side."""
        return np.searchsorted(self.codes, np.arange(len(self.tasks)))

    @property
    def levels(self) -> NDArray[np.float64]:
        """A column of ones, or one for each block, [unit, level]: every fit has them."""
        if self.blocks is None:
            return np.ones((len(self), 1))
        return np.asarray(np.eye(int(self.blocks.max(initial=-1)) + 1)[self.blocks])

    @property
    def crossed(self) -> bool:
        """Whether some block has units of several tasks."""
        pairs = np.unique(np.stack([self._blocks, self.codes]), axis=1)
        return bool((np.bincount(pairs[0]) > 1).any())

    @property
    def _blocks(self) -> NDArray[np.intp]:
        return np.zeros(len(self), dtype=np.intp) if self.blocks is None else self.blocks

    def without_length(self) -> Units:
        """Return the same units with a curve of no columns, for which length does nothing."""
        none = tuple(np.empty((len(self), 0)) for _ in self.models)
        flat = tuple(LengthCurve(np.empty(0)) for _ in self.models)
        nothing = tuple(np.empty(0) for _ in self.models)
        return replace(self, bases=none, curves=flat, typical=nothing, shared=none)

    def alike(self) -> Units:
        """Return the units with each of several models' values as standard scores.

        Less the model's mean and over its standard deviation, both over these units, so that a
        mean over models weighs each the same, whatever its scale: the summary index of Kling,
        Liebman and Katz (2007, Econometrica 75, 83-119). The deviations count as known. A model
        whose values are all the same says nothing of tasks and is left out. One model, or several
        that are all the same throughout, keep their values.
        """
        if len(self.models) < 2 or not len(self):
            return self
        kept = [place for place in range(len(self.models)) if not constant(self.values[:, place])]
        if not kept:
            return self
        values = self.values[:, kept]
        said = f"mean of {len(kept)} models, each in its own standard deviations"
        gone = [name for place, name in enumerate(self.models) if place not in kept]
        if gone:
            said += f", without {', '.join(gone)}, where the value is the same throughout"

        def of_kept(parts: tuple[_Part, ...]) -> tuple[_Part, ...]:
            return tuple(parts[place] for place in kept)

        return replace(
            self,
            values=(values - values.mean(axis=0)) / values.std(axis=0, ddof=1),
            bases=of_kept(self.bases), curves=of_kept(self.curves), typical=of_kept(self.typical),
            shared=of_kept(self.shared), models=of_kept(self.models), scale=said,
        )  # fmt: skip

    def noted(self, method: str) -> str:
        """Return how something was found, and on which scale where models were put on one."""
        return f"{method}; {self.scale}" if self.scale else method

    def centred(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns with each task's mean taken off, [unit, ...]."""
        flat = columns.reshape(len(self), prod(columns.shape[1:]))
        means = _means(flat, self.codes, len(self.tasks))
        return np.asarray(columns - means[self.codes].reshape(columns.shape))

    def slopes(self, model: int) -> tuple[NDArray[np.float64] | None, str | None]:
        """Return what a step in each of the curve's columns does within tasks, or why unknown."""
        basis = self.centred(self.bases[model])
        if basis.shape[1] == 0:
            return np.empty(0), None
        if len(self) - len(self.tasks) <= basis.shape[1]:
            return None, f"{len(self)} prompts are too few for {len(self.tasks)} tasks and a curve"
        values = self.centred(self.values[:, model])
        slopes, _, rank, _ = np.linalg.lstsq(basis, values, rcond=1e-9)
        return (np.asarray(slopes), None) if rank == basis.shape[1] else (None, _WITHIN)


def units_of(frame: pd.DataFrame | Units) -> Units:
    """Return the units of a values frame, in the order of their tasks' and clusters' names.

    A prompt counts where every model has a finite value for it; models without any value are left
    out. A column `block`, one of each cluster, says inside of what tasks are compared. The order of
    the frame's rows does not matter. Units are given back as they are, so that several statistics
    of a frame need not put them together each.

    Raises:
        UsageError: if a column is missing, a model reads a prompt twice, or the prompts of a
            cluster have different tasks.
    """
    if isinstance(frame, Units):
        return frame
    table, lengths, cluster, task, names = _side_by_side(frame)
    clusters, places = np.unique(cluster, return_inverse=True)
    tasks, codes = np.unique(task, return_inverse=True)
    unit_codes = np.zeros(len(clusters), dtype=np.intp)
    unit_codes[places] = codes
    order = np.argsort(unit_codes, kind="stable")
    unit_codes, places = unit_codes[order], np.argsort(order)[places]
    curves = tuple(LengthCurve.over(column) for column in lengths.T)
    logs = np.log(lengths).mean(axis=1) if lengths.size else np.empty(0)
    bases = tuple(
        _means(curve.columns(column), places, len(clusters))
        for curve, column in zip(curves, lengths.T, strict=True)
    )
    return Units(
        values=_means(table, places, len(clusters)),
        bases=bases,
        curves=curves,
        typical=tuple(
            curve.columns_of_logs(np.log(column).mean(keepdims=True))[0]
            if len(column)
            else np.empty(0)
            for curve, column in zip(curves, lengths.T, strict=True)
        ),
        # The lengths that one model reads are those that all read.
        shared=bases
        if len(curves) == 1
        else tuple(_means(curve.columns_of_logs(logs), places, len(clusters)) for curve in curves),
        logs=_means(logs[:, None], places, len(clusters))[:, 0],
        codes=unit_codes,
        tasks=_texts(names["task"][tasks]),
        models=_texts(names["model"]),
        clusters=_texts(names["cluster"][clusters[order]]),
        left_out=int(frame["cluster"].nunique()) - len(clusters),
        blocks=_blocks_of(frame, names["cluster"][clusters[order]]),
    )


def _blocks_of(frame: pd.DataFrame, clusters: NDArray[Any]) -> NDArray[np.intp] | None:
    if "block" not in frame:
        return None
    known = frame.drop_duplicates("cluster").set_index("cluster")["block"]
    return np.unique(known.loc[clusters].to_numpy(dtype=str), return_inverse=True)[1]


class _Table(NamedTuple):
    values: NDArray[np.float64]
    """Of the prompts that every model has a value for, in their order, [prompt, model]."""
    lengths: NDArray[np.float64]
    cluster: NDArray[np.intp]
    """Of each prompt, as a place in its `names`."""
    task: NDArray[np.intp]
    names: dict[str, NDArray[Any]]
    """Of all models, clusters and tasks, in order."""


def _side_by_side(frame: pd.DataFrame) -> _Table:
    """Return a values frame as a table, by numbers in place of names since these are slow."""
    _check_columns(frame)
    value = frame["value"].to_numpy(dtype=np.float64)
    known = np.isfinite(value)
    value, length = value[known], frame["n_tokens"].to_numpy(np.float64, na_value=np.nan)[known]
    facts_of = {
        name: coded(frame[name], known) for name in ("model", "prompt_id", "cluster", "task")
    }
    (model, models), (prompt, prompts), (cluster, clusters), (task, _) = facts_of.values()
    cell = prompt * len(models) + model
    facts = np.zeros((2, len(prompts)), dtype=np.intp)
    facts[:, prompt] = task, cluster
    task_of = np.zeros(len(clusters), dtype=np.intp)
    task_of[facts[1]] = facts[0]
    sound = (np.bincount(cell, minlength=1) < 2).all() and (task_of[facts[1]] == facts[0]).all()
    if not sound or not (facts[:, prompt] == [task, cluster]).all():
        known_rows(frame)
    # One model after the other in memory, which decides the order in which numbers are added.
    found = np.full((2, len(models), len(prompts)), np.nan)
    found[:, model, prompt] = value, length
    whole = ~np.isnan(found[0]).any(axis=0)
    return _Table(
        found[0][:, whole].T, found[1][:, whole].T, facts[1, whole], facts[0, whole],
        {name: names for name, (_, names) in facts_of.items()},
    )  # fmt: skip


def coded(
    column: pd.Series[Any], known: NDArray[np.bool_] | slice = slice(None)
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return rows of a column of names as places in all of these names, and the names, in order.

    Args:
        column: texts, or categories.
        known: which rows.
    """
    # Categories in another order than that of names are of no use.
    if hasattr(column, "cat") and column.cat.categories.is_monotonic_increasing:
        codes = column.cat.codes.to_numpy()[known].astype(np.intp)
        there = np.bincount(codes[codes >= 0], minlength=len(column.cat.categories)) > 0
        # What is in no category stays at -1.
        places = np.append(np.cumsum(there) - 1, -1)
        return places[codes], np.asarray(column.cat.categories[there])
    codes, names = pd.factorize(column.to_numpy()[known], sort=True)
    return codes.astype(np.intp, copy=False), np.asarray(names)


def _texts(names: NDArray[Any]) -> tuple[str, ...]:
    return tuple(map(str, names.tolist()))


def _check_columns(frame: pd.DataFrame) -> None:
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise UsageError(f"A values frame lacks the columns {', '.join(missing)}.")


def known_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows with a finite value, and the task and the cluster of each of their prompts.

    Raises:
        UsageError: if a column is missing, a model reads a prompt twice, or the prompts of a
            cluster have different tasks.
    """
    _check_columns(frame)
    known = frame.loc[np.isfinite(frame["value"].to_numpy(dtype=np.float64))]
    if known.duplicated(["model", "prompt_id"]).any():
        twice = known.loc[known.duplicated(["model", "prompt_id"]), "prompt_id"].iloc[0]
        raise UsageError(f"A model has prompt {twice!r} twice in a values frame; give one metric.")
    facts = known.drop_duplicates(["prompt_id", "task", "cluster"]).set_index("prompt_id")
    several = facts.groupby("cluster")["task"].nunique()
    mixed = [*several.index[several > 1], *facts.index[facts.index.duplicated()]]
    if mixed:
        raise UsageError(f"The prompts of cluster {mixed[0]!r} have different tasks or clusters.")
    return known, facts


def _means(columns: NDArray[np.float64], places: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    """Return the means of columns over the rows of each place, [place, column]."""
    sums = np.empty((n, columns.shape[1]))
    for number, column in enumerate(columns.T):
        sums[:, number] = np.bincount(places, weights=column, minlength=n)
    return np.asarray(sums / np.bincount(places, minlength=n)[:, None])
