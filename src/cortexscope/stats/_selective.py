"""Heads and neurons that tell a task from the others, chosen and judged on different prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError
from cortexscope.stats._layers import ReadUnits, Stack, read_units, unit_vectors
from cortexscope.stats._multiple import benjamini_hochberg
from cortexscope.stats._one_task import TaskDesign
from cortexscope.stats._overlap import overlap_of

__all__ = ["Selective", "halves_of", "selective", "selective_features"]

Floats = NDArray[np.float64]

_COLUMNS = ("task", "prompt_id", "cluster", "n_tokens", "layer", "value")
_METHOD = "Hedges g, HC2 error, Student's t with Bell and McCaffrey's degrees of freedom"
_NUMBERS = ("unit", "chosen_g", "g", "low", "high", "shrinkage", "p")
_JUDGED = ("rank", *_NUMBERS, "reason")
_TOGETHER = 4096
"""So many heads or neurons are looked at together: more take memory and no less time."""


@dataclass(frozen=True, slots=True, eq=False)
class Selective:
    """The most selective heads or neurons of each task, and how selective they really are."""

    chosen: pd.DataFrame
    """Rows for each task, the most selective first, twice: as measured and with length taken out.

    `values` (raw, adjusted), `task`, `rank` (from 1), `layer`, `head` or `index`; `chosen_g`, the
    effect on the half that it was chosen on, which is too large since it was the largest there;
    `g`, `low`, `high`, the effect on the other half with its interval; `shrinkage`, 1 - g /
    chosen_g, which is 0 where all of the effect is found again, 1 where nothing is, and undefined
    where there was none; `p` of the other half and `p_bh`, with all rows of the same `values`
    counted; `reason`."""
    kept: pd.DataFrame
    """`values`, `kept`: the sum of the effects on the other half, in the direction chosen, over
    the sum of those they were chosen by; around 0 where no unit is selective."""
    n: tuple[int, int]
    """Prompts of each half; paraphrases of one count as one."""
    left_out: int
    """Prompts without a value in any head or neuron, with those of their cluster."""
    looked_at: int
    """Heads or neurons that were chosen from."""
    undefined: int
    """Heads or neurons that have no value for a prompt, or the same for all; of neurons, all of a
    layer that has none for a prompt."""
    method: str
    """How effects, intervals and p-values were found."""


def selective(
    frame: pd.DataFrame, *, rng: np.random.Generator, most: int = 5, level: float = 0.95
) -> Selective:
    """Return the heads or neurons that tell each task from the others, judged on other prompts.

    Prompts are split into two halves, within each task. On one half the units with the largest
    effect are chosen, up or down; the other half tells how large it is. The effect is Hedges g of
    the task's prompts against all others: the difference of means in pooled standard deviations,
    1 where the task's mean is one higher than the others'. Adjusted: with a curve in log tokens in
    the same regression, and the deviation that task and curve leave.

    p is two-sided, of the difference over an error that holds where tasks scatter differently (HC2,
    Welch's where nothing is adjusted), by Student's t with Bell and McCaffrey's degrees of freedom.
    The interval is g and that error, with the uncertainty of the deviation added.

    Args:
        frame: values of one metric and model: `task`, `prompt_id`, `cluster`, `n_tokens`, `layer`,
            `value`, and `head` or `index`. Values of one cluster are averaged.
        rng: draws the halves.
        most: how many are chosen for each task.
        level: of the intervals.

    Raises:
        UsageError: if columns are missing or contradict each other, or `most` is less than 1.
    """
    return _found(_matrix(frame), rng=rng, most=most, level=level)


def selective_features(
    vectors: Stack,
    tasks: ArrayLike,
    clusters: ArrayLike | None,
    *,
    n_tokens: ArrayLike,
    rng: np.random.Generator,
    most: int = 5,
    level: float = 0.95,
) -> Selective:
    """Return the same as `selective` of the entries of vectors, such as an MLP's neurons.

    Args:
        vectors: each prompt's activations, [layer, prompt, neuron] or [prompt, neuron] of each
            layer; None where a layer has none.
        tasks: of each prompt, [prompt].
        clusters: what each prompt belongs to, whose vectors are averaged; each is its own where
            None.
        n_tokens: tokens of each prompt, [prompt].
        rng: draws the halves.
        most: how many are chosen for each task.
        level: of the intervals.

    Returns:
        In `chosen`, `layer` is a layer's place among those given and `index` a neuron's in it,
        both from 0.

    Raises:
        UsageError: if shapes do not fit, prompts of one cluster have different tasks, or `most` is
            less than 1.
    """
    read = unit_vectors(vectors, tasks, clusters, n_tokens)
    known = [(n, layer) for n, layer in enumerate(read.layers) if not isinstance(layer, str)]
    spots = [(n, index) for n, layer in known for index in range(layer.shape[1])]
    values = [layer for _, layer in known]
    lost = sum(
        np.shape(given)[1]
        for given, layer in zip(vectors, read.layers, strict=True)
        if given is not None and isinstance(layer, str)
    )
    matrix = _Matrix(
        np.concatenate(values, axis=1) if values else np.empty((len(read.units), 0)),
        pd.DataFrame(spots, columns=["layer", "index"], dtype=np.int64),
        read.units,
        read.left_out,
    )
    found = _found(matrix, rng=rng, most=most, level=level)
    return replace(found, undefined=found.undefined + lost)


def _found(matrix: _Matrix, *, rng: np.random.Generator, most: int, level: float) -> Selective:
    if most < 1:
        raise UsageError(f"most must be at least 1, and is {most}.")
    units = matrix.units
    usable = (np.isfinite(matrix.values) & (matrix.values != matrix.values[:1])).any(axis=0)
    usable &= np.isfinite(matrix.values).all(axis=0)
    values = matrix.values[:, usable]
    first = halves_of(units.codes, rng=rng)
    one, two = values[first], values[~first]
    flat = units.basis[:, :0]
    ways = [("raw", flat, None), ("adjusted", units.basis, overlap_of(units).reason)]
    chosen, kept = [], []
    for kind, basis, alone in ways:
        rows: list[dict[str, object]] = []
        for code, task in enumerate(units.tasks):
            own = units.codes == code
            judged = _judged(
                _Half(one, own[first], basis[first]),
                _Half(two, own[~first], basis[~first]),
                most=most,
                level=level,
                alone=alone,
            )
            rows += [{"values": kind, "task": task, **row} for row in judged]
        part = pd.DataFrame(rows, columns=["values", "task", *_JUDGED])
        part = part.astype(dict.fromkeys(_NUMBERS, np.float64)).astype({"rank": "Int64"})
        part["p_bh"] = benjamini_hochberg(part["p"])
        chosen.append(part)
        total = part.loc[part["g"].notna(), "chosen_g"].abs().sum()
        found = (part["g"] * np.sign(part["chosen_g"])).sum()
        kept.append((kind, found / total if total > 0 else np.nan))
    both = pd.concat(chosen, ignore_index=True)
    spots = (
        matrix.spots.loc[usable].reset_index(drop=True).reindex(both.pop("unit")).astype("Int64")
    )
    for place, name in enumerate(spots.columns):
        both.insert(3 + place, name, spots[name].array)
    return Selective(
        chosen=both, kept=pd.DataFrame(kept, columns=["values", "kept"]),
        n=(int(first.sum()), int((~first).sum())), left_out=matrix.left_out,
        looked_at=int(usable.sum()), undefined=int((~usable).sum()), method=_METHOD,
    )  # fmt: skip


def halves_of(codes: NDArray[np.intp], *, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which units are in the first half, drawn within each task.

    Of an odd number the second half, on which effects are judged, has one more.

    Args:
        codes: the number of each unit's task, [unit].
        rng: draws them.

    Example:
        >>> halves_of(np.array([0, 0, 0, 1, 1]), rng=np.random.default_rng(0)).sum()
        np.int64(2)
    """
    first = np.zeros(len(codes), dtype=bool)
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        first[members[: len(members) // 2]] = True
    return first


class _Matrix(NamedTuple):
    values: Floats
    """[prompt with its paraphrases, head or neuron]; NaN where undefined."""
    spots: pd.DataFrame
    """A row a head or neuron: layer, head or index."""
    units: ReadUnits
    left_out: int


def _matrix(frame: pd.DataFrame) -> _Matrix:
    missing = [name for name in _COLUMNS if name not in frame.columns]
    where = [name for name in ("head", "index") if name in frame.columns]
    if missing or not where:
        lacking = [*missing, *([] if where else ["head or index"])]
        raise UsageError(f"A frame of heads or neurons lacks the columns {', '.join(lacking)}.")
    spots = ["layer", *(name for name in where if frame[name].notna().any())]
    if frame.duplicated(["prompt_id", *spots]).any():
        raise UsageError(
            f"A frame has several values of one prompt at one place ({', '.join(spots)}); give one "
            "metric, model and stack."
        )
    finite = np.isfinite(frame["value"].to_numpy(dtype=np.float64))
    held = frame["cluster"].isin(frame.loc[finite, "cluster"].unique())
    known = frame.loc[held]
    facts = known.drop_duplicates(["prompt_id", "task", "cluster", "n_tokens"])
    units = read_units(facts)
    wide = known.pivot(index="prompt_id", columns=spots, values="value")
    clusters = facts.set_index("prompt_id")["cluster"].loc[wide.index].astype(str)
    # A cluster's mean is undefined where one of its prompts is.
    means = wide.groupby(clusters.to_numpy()).mean()
    lost = wide.isna().groupby(clusters.to_numpy()).any()
    values = means.mask(lost).to_numpy(dtype=np.float64)
    left_out = int(frame.loc[~held, "prompt_id"].nunique())
    return _Matrix(values, wide.columns.to_frame(index=False), units, left_out)


class _Half(NamedTuple):
    values: Floats
    """[prompt, head or neuron]."""
    own: NDArray[np.bool_]
    """Which prompts are of the task."""
    basis: Floats
    """The curve in log tokens, [prompt, column]."""


def _judged(
    one: _Half, two: _Half, *, most: int, level: float, alone: str | None
) -> list[dict[str, object]]:
    """Return a row for each head or neuron chosen on half one and judged on half two.

    Args:
        one: the task's effects choose.
        two: the task's effects are reported.
        most: how many are chosen.
        level: of the intervals.
        alone: why tasks cannot be compared, and only the effects are given.
    """
    choosing, judging = (TaskDesign.of(half.own, half.basis) for half in (one, two))
    if isinstance(choosing, str) or isinstance(judging, str):
        return [{"reason": choosing if isinstance(choosing, str) else judging}]
    cuts = range(_TOGETHER, one.values.shape[1], _TOGETHER)
    parts = np.split(one.values, cuts, axis=1)
    chosen_g = np.concatenate([choosing.effects(part, level).g for part in parts])
    order = np.argsort(-np.abs(np.nan_to_num(chosen_g)), kind="stable")[:most]
    order = order[~np.isnan(chosen_g[order])]
    if not len(order):
        return [{"reason": "no head or neuron has values of all prompts that differ"}]
    found = judging.effects(two.values[:, order], level)
    rows: list[dict[str, object]] = []
    for rank, unit in enumerate(order):
        g, half_width, p = found.g[rank], found.half_width[rank], found.p[rank]
        why = "the value does not vary within tasks" if np.isnan(g) else alone
        known = {"low": g - half_width, "high": g + half_width, "p": p} if why is None else {}
        rows.append(
            {
                "rank": rank + 1, "unit": unit, "chosen_g": chosen_g[unit], "g": g,
                "shrinkage": 1.0 - g / chosen_g[unit] if chosen_g[unit] else np.nan,
                "reason": why, **known,
            }
        )  # fmt: skip
    return rows
