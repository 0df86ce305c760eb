"""Prompts of equal length: the largest part of a suite in which tasks do not differ in length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexscope.errors import SuiteError, UsageError

__all__ = ["Balance", "Matched", "Tokens", "length_balance", "matched_by_length"]

Tokens = float | int | Sequence[float | int] | NDArray[Any]
"""Of a prompt, as one model counts them or as several do."""


@dataclass(frozen=True, slots=True)
class Balance:
    """How far tasks differ in length."""

    mean: Mapping[str, float]
    """Mean length of each task's prompts, in tokens; of several models, their geometric mean."""
    largest_difference: float
    """The largest difference of two tasks' mean log lengths, in standard deviations of all log
    lengths; below 0.1 is usually called balanced (Austin 2009)."""
    explained: float
    """The share of the variance of log length that the task explains, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Matched:
    """The prompts that were chosen, and what that does for the lengths."""

    ids: tuple[str, ...]
    """In sets of about equal length, one prompt of each task in a set, the shortest first."""
    per_task: int
    before: Balance
    after: Balance


def matched_by_length(
    lengths: Mapping[str, Mapping[str, Tokens]], *, ratio: float = 1.15
) -> Matched:
    """Return the most prompts that can be put into sets of one of each task, alike in length.

    In a set no prompt is longer than `ratio` times the shortest, by the geometric mean of the
    models' tokens. Taking the shortest prompts left of all tasks where they are alike, and leaving
    out the shortest of them where not, finds the largest number of such sets.

    Args:
        lengths: of each task and prompt id, the tokens of each model that counts, above 0.
        ratio: above 1.

    Raises:
        UsageError: if `ratio` is not above 1, there is one task only, or a length is not above 0.
        SuiteError: if no set can be made; the message says what would help.

    Example:
        >>> found = matched_by_length({"a": {"a1": 10, "a2": 40}, "b": {"b1": 11, "b2": 99}})
        >>> found.ids, round(found.after.mean["b"])
        (('a1', 'b1'), 11)
    """
    if not ratio > 1:
        raise UsageError(f"The ratio of lengths must be above 1, and is {ratio}.")
    if len(lengths) < 2:
        raise UsageError("Matching needs two tasks or more; name more tasks.")
    logs = {
        task: sorted(zip(_log_lengths(list(prompts.values())), prompts, strict=True))
        for task, prompts in lengths.items()
    }
    limit = float(np.log(ratio)) + 1e-12
    waiting = [iter(own) for own in logs.values()]
    sets = []
    front = _shortest(waiting)
    longest = max(front)[0]
    while longest < math.inf:
        if longest - front[0][0] > limit:
            task = front[0][2]
            following = next(waiting[task], _NONE)
            heapreplace(front, (*following, task))
            longest = max(longest, following[0])
        else:
            sets.append([prompt[:2] for prompt in sorted(front, key=itemgetter(2))])
            front = _shortest(waiting)
            longest = max(front)[0]
    if not sets:
        raise SuiteError(
            f"No {len(logs)} prompts, one of each task, are alike in length to a ratio of {ratio}; "
            "allow a larger ratio, or name fewer tasks."
        )
    chosen = dict(zip(logs, zip(*sets, strict=True), strict=True))
    ids = tuple(name for own in sets for _, name in own)
    return Matched(ids, len(sets), _balance(logs), _balance(chosen))


def length_balance(lengths: Mapping[str, Mapping[str, Tokens]]) -> Balance:
    """Return how far tasks differ in length.

    Args:
        lengths: as `matched_by_length` takes them.

    Raises:
        UsageError: if a length is not above 0.

    Example:
        >>> round(length_balance({"a": {"a1": 10, "a2": 12}, "b": {"b1": 10, "b2": 12}}).explained)
        0
    """
    return _balance(
        {
            task: list(zip(_log_lengths(list(prompts.values())), prompts, strict=True))
            for task, prompts in lengths.items()
        }
    )


_NONE = (math.inf, "")
"""Where no prompt of a task is left."""


def _shortest(waiting: Sequence[Iterator[tuple[float, str]]]) -> list[tuple[float, str, int]]:
    """Return the next prompt of each task, the shortest of all first: a heap."""
    front = [(*next(own, _NONE), task) for task, own in enumerate(waiting)]
    heapify(front)
    return front


def _log_lengths(tokens: Sequence[Tokens]) -> list[float]:
    """Return the mean log length of each prompt over the models that count it."""
    own = [each if isinstance(each, Sequence | np.ndarray) else (each,) for each in tokens]
    sizes = np.fromiter(map(len, own), np.intp)
    counts = np.fromiter(chain.from_iterable(own), np.float64)
    if not sizes.all() or not (counts > 0).all():
        wrong = next(
            given for each, given in zip(own, tokens, strict=True) if not min(each, default=0) > 0
        )
        raise UsageError(f"A prompt's length must be above 0, and is {wrong}.")
    sums = np.add.reduceat(np.log(counts), np.cumsum(sizes) - sizes)
    means: list[float] = (sums / sizes).tolist()
    return means


def _balance(logs: Mapping[str, Sequence[tuple[float, str]]]) -> Balance:
    values: dict[str, NDArray[np.float64]] = {
        task: np.array([log for log, _ in prompts]) for task, prompts in logs.items()
    }
    everything = np.concatenate(list(values.values()))
    means = np.array([own.mean() for own in values.values()])
    sizes = np.array([len(own) for own in values.values()])
    total = float(((everything - everything.mean()) ** 2).sum())
    between = float((sizes * (means - everything.mean()) ** 2).sum())
    spread = float(np.sqrt(total / len(everything)))
    return Balance(
        mean={task: float(np.exp(mean)) for task, mean in zip(values, means, strict=True)},
        largest_difference=float(np.ptp(means)) / spread if spread else 0.0,
        explained=between / total if total else 0.0,
    )
