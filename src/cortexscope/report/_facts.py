"""Sentences that a run's numbers make true: computed, never judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from cortexscope.report._correlations import (
    NORMALIZED_ENTROPY,
    STUDY_ENTROPY,
    length_correlation,
)
from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import plain, task_title
from cortexscope.report._stacks import stacks_note

__all__ = ["facts"]


def facts(frames: RunFrames) -> tuple[str, ...]:
    """Return what the run shows, a sentence or two a fact; none where nothing is defined."""
    makers: tuple[Callable[[RunFrames], str | None], ...] = (
        _length,
        _top_task,
        _sink,
        _sparsity,
    )
    found = tuple(fact for fact in (make(frames) for make in makers) if fact)
    return (*found, *stacks_note(frames.many_stacked)) if found else ()


def _span(values: dict[str, float], form: Callable[[float], str]) -> str:
    """Return one value, or the lowest and the highest, each with its model."""
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    first, last = f"{form(values[low])} ({plain(low)})", f"{form(values[high])} ({plain(high)})"
    return first if low == high else f"between {first} and {last}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _length(frames: RunFrames) -> str | None:
    found = {
        metric: {
            model: known.value
            for model in frames.labels
            if (known := length_correlation(frames, model, metric)).value is not None
        }
        for metric in (STUDY_ENTROPY, NORMALIZED_ENTROPY)
    }
    raw, fair = found[STUDY_ENTROPY], found[NORMALIZED_ENTROPY]
    if not raw:
        return None
    text = (
        "Over the prompts of a model, the study's attention entropy has a correlation with the "
        f"number of tokens of {_span(raw, '{:.3f}'.format)}; length alone accounts for "
        f"{_span({m: 100 * r * r for m, r in raw.items()}, '{:.1f} %'.format)} of its variance."
    )
    if fair:
        text += (
            " Where a row's entropy is divided by the largest possible, the correlation is "
            f"{_span(fair, '{:.3f}'.format)}."
        )
    return text


def _top_task(frames: RunFrames) -> str | None:
    if len(frames.tasks) < 2:
        return None
    known = (
        _lead(frames, STUDY_ENTROPY, "study entropy"),
        _lead(frames, NORMALIZED_ENTROPY, "normalised entropy"),
    )
    return " ".join(text for text in known if text) or None


def _lead(frames: RunFrames, metric: str, name: str) -> str | None:
    """Return which task has the highest mean in how many models, as far as that is clear."""
    found = frames.analysis.table("leaders")
    found = found[found["metric"] == metric] if len(found) else found
    if not len(found):
        return None
    found = found[found["scope"].isin(frames.labels)]
    raw = found[found["form"] == "raw"].set_index("scope")
    models = _count(len(raw), "model")
    clear = raw.index[[row is True for row in raw["holds"]]]
    unknown = raw[raw["low"].isna()]
    kept = found[(found["form"] == "adjusted") & found["scope"].isin(clear)]
    parts = []
    for task, count in Counter(raw.loc[clear, "task"]).most_common():
        own = list(clear[raw.loc[clear, "task"] == task])
        longest = sum(_longest(frames, model) == task for model in own)
        holds = sum(row is True for row in kept.loc[kept["scope"].isin(own), "holds"])
        parts.append(
            f"{task_title(str(task))} in {count} of {models} (its prompts are the longest in "
            f"{longest}; at equal lengths it is still the highest in {holds})"
        )
    if open_ := len(raw) - len(clear) - len(unknown):
        parts.append(f"open in {open_} of {models}, where its lead may be chance")
    if len(unknown):
        reason = str(unknown["reason"].iloc[0]).rstrip(".")
        parts.append(f"unknown in {len(unknown)} of {models} ({plain(reason)})")
    return f"The task with the highest {name} is {', '.join(parts)}."


def _longest(frames: RunFrames, model: str) -> str:
    cells = frames.cells([])
    own = cells[cells["model"] == model].set_index("task")["tokens"].dropna()
    return str(own.idxmax())


def _by_model(frames: RunFrames, metric: str) -> dict[str, float]:
    cells = frames.cells([metric])
    if metric not in cells:
        return {}
    means = cells.groupby("model")[metric].mean().dropna()
    return {str(model): float(value) for model, value in means.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _sink(frames: RunFrames) -> str | None:
    means = _by_model(frames, "attention_sink_mass")
    if not means:
        return None
    return f"The first visible token receives {_span(means, _percent)} of all attention on average."


def _sparsity(frames: RunFrames) -> str | None:
    largest = _by_model(frames, "study.max_sparsity")
    mean = _by_model(frames, "near_zero_fraction")
    if not largest or not mean:
        return None
    return (
        f"The share of hidden values near zero is {_span(largest, _percent)} at the layer where "
        f"it is largest, and {_span(mean, _percent)} on average over layers."
    )
