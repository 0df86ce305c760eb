"""Words that the captions, titles and findings of several figures share."""

from __future__ import annotations

from collections.abc import Sequence

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, lowered

__all__ = ["chosen", "counted", "number", "sentence", "spanned", "subject"]


def chosen(frames: RunFrames, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that a figure shows, in the order of the suite: all where none is named."""
    return tuple(task for task in frames.tasks if not tasks or task in tasks)


def counted(frames: RunFrames, tasks: Sequence[str] = ()) -> str:
    """Return the sentence on how many prompts a figure is of.

    Args:
        frames: of the run.
        tasks: which of them it shows, all where empty.
    """
    read = frames.lengths
    read = read[read["task"].isin(tasks)] if tasks else read
    counts = read.groupby("model", observed=True)["prompt_id"].nunique()
    if not len(counts):
        return "No prompt was read yet."
    low, high = int(counts.min()), int(counts.max())
    number = read["task"].nunique()
    of_tasks = f" of {number} task{'s' * (number != 1)}" if number else ""
    models = f"{len(counts)} models" if len(counts) > 1 else "1 model"
    each = f"{low} to {high} prompts a model" if low < high else f"{high} prompt{'s' * (high != 1)}"
    return f"n = {each}{of_tasks}, read by {models}."


def subject(labels: Labels, metrics: Sequence[str], usual: Sequence[str], name: str) -> str:
    """Return what a figure's title says that it is of.

    Args:
        labels: of the metrics.
        metrics: what it shows.
        usual: what it shows where nothing was chosen, which has a name.
        name: of these.
    """
    if tuple(metrics) == tuple(usual):
        return name
    if len(metrics) > 2:
        return f"{len(metrics)} metrics"
    first, *rest = (labels.title(metric) for metric in metrics)
    return " and ".join([first, *map(lowered, rest)])


def number(value: float) -> str:
    """Return a number with three digits that count, or all before the point.

    Example:
        >>> number(0.012345), number(12.345), number(23198.7)
        ('0.0123', '12.3', '23,199')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def spanned(values: Sequence[float], form: str = ".3g") -> str:
    """Return one number, or the lowest and the highest of several.

    Example:
        >>> spanned([0.5]), spanned([2.0, 0.5, 1.0])
        ('0.5', '0.5 to 2')
    """
    low, high = (f"{value:{form}}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def sentence(parts: Sequence[str], more: str = "") -> str:
    """Return parts as one sentence that begins large and ends; nothing where there is none.

    Example:
        >>> sentence(["a rises", "b falls"])
        'A rises; b falls.'
    """
    if not parts:
        return ""
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}{more}."
