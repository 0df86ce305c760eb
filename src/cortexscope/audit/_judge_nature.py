"""Claims on what a metric is: whether its figures can be that at all."""

from __future__ import annotations

import math

from cortexscope.audit._claims import Magnitude, Shannon, metric_unit, spoken
from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity

__all__ = ["fewest_tokens", "magnitude", "shannon"]

# Longer than the context of any model of the study, by a factor of more than a thousand.
_KEYS = 10_000_000


def _figures(metric: str, evidence: Evidence) -> dict[str, float]:
    if evidence.cells is not None:
        cells = evidence.cells.get(metric, {})
        return {f"{model}, {spoken(task)}": value for (model, task), value in cells.items()}
    models, tasks = evidence.models.get(metric, {}), evidence.tasks.get(metric, {})
    known = {**models, **{spoken(task): one for task, one in tasks.items()}}
    return {name: one.value for name, one in known.items()}


def magnitude(spec: Magnitude, evidence: Evidence) -> Check:
    """Look for figures below zero, which no magnitude has."""
    figures = _figures(spec.metric, evidence)
    below = {name: value for name, value in figures.items() if value < 0}
    if not figures:
        return evidence.says("cannot be checked", f"There is no {spoken(spec.metric)}.")
    count = Quantity("figures below zero", "0", len(below), right=not below)
    if not below:
        said = f"None of {len(figures)} figures is below zero, as a magnitude must be."
        return evidence.says("holds", said, count)
    least = min(below, key=lambda name: below[name])
    said = f"{len(below)} of {len(figures)} figures are below zero, and a magnitude never is; the "
    said += f"lowest is {below[least]:g} ({least}). They are means of signed values."
    lowest = Quantity(f"lowest figure, {least}", None, below[least], unit=metric_unit(spec.metric))
    return evidence.says("contradicted", said, count, lowest)


def shannon(spec: Shannon, evidence: Evidence) -> Check:
    """Compare figures with the logarithm of the number of keys, which no entropy exceeds."""
    figures = _figures(spec.metric, evidence)
    if not figures:
        return evidence.says("cannot be checked", f"There is no {spoken(spec.metric)}.")
    least, most = (end(figures, key=lambda name: figures[name]) for end in (min, max))
    limit = math.log2(_KEYS)
    tokens = fewest_tokens(figures[most])
    quantities = [
        Quantity(f"lowest figure, {least}", None, figures[least]),
        Quantity(f"highest figure, {most}", None, figures[most]),
        Quantity(f"entropy over {_KEYS:,} keys, at most", None, limit, unit="bits",
                 note="fewer in nats"),
        Quantity("tokens that a sum over causal rows needs for the highest", None, tokens,
                 note="if in nats; even attention has ln 1 + ... + ln n"),
    ]  # fmt: skip
    beyond = sum(value > limit for value in figures.values())
    if not beyond:
        said = f"All {len(figures)} figures are below {limit:.1f} bits, which {_KEYS:,} keys allow."
        return evidence.says("holds", said, *quantities)
    said = (
        f"{beyond} of {len(figures)} figures exceed {limit:.1f} bits, the most that attention over "
        f"{_KEYS:,} keys can have; they reach {figures[most]:g}. A sum over the rows of a prompt "
        f"can be as large, and grows with the prompt: {figures[most]:g} nats need at least "
        f"{tokens} tokens where attention is causal."
    )
    return evidence.says("contradicted", said, *quantities)


def fewest_tokens(entropy: float) -> int:
    """Return the shortest prompt whose causal rows can sum to an entropy, in nats.

    Even attention over n tokens has ln 1 + ... + ln n.

    Example:
        >>> fewest_tokens(0.0), fewest_tokens(0.7), fewest_tokens(1.7)
        (1, 3, 3)
    """
    count, total = 1, 0.0
    while total < entropy:
        count += 1
        total += math.log(count)
    return count
