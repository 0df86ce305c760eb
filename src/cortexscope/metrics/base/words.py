"""Say in words what a metric is: for the command line and for the page of all metrics."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

from cortexscope.metrics.base.metric import Metric
from cortexscope.records import MetricSpec
from cortexscope.taps import NEEDS

__all__ = ["GROUP_TEXTS", "bounds", "cost", "description", "each", "explanation", "needs", "unit"]

GROUP_TEXTS = {
    "study": "what the published study measured, as inferred from its figures and script",
    "attention": "where each head looks, how widely and how far",
    "magnitude": "how large states and updates are, and which entries stand out",
    "sparsity": "how many entries of states and neurons matter",
    "geometry": "how the states of tokens and prompts lie in space",
    "depth": "what each layer changes, and when the prediction is decided",
    "experts": "how a mixture spreads its tokens over experts",
    "mixers": "what state-space and linear-attention layers keep and forget",
    "prediction": "how sure the model is of the next token",
}
"""What the metrics of a group are about, by group."""

_UNITS = {"prompt": "prompt", "task": "task", "sequence": "model"}


def each(spec: MetricSpec) -> str:
    """Return what there is a value for, such as `prompt, layer, head`."""
    return ", ".join((_UNITS[spec.replication], *spec.axes))


def bounds(spec: MetricSpec) -> str:
    """Return the lowest and the highest value possible, such as `0 to 1`."""
    low, high = spec.bounds
    if low is None and high is None:
        return "none"
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"


def cost(spec: MetricSpec) -> str:
    """Return what a metric costs, and on which tokens it is measured."""
    text = "low, in the default panel" if spec.cost == "low" else "high, measured when asked for"
    return f"{text}; on a sample of tokens" if spec.sampled else text


def unit(spec: MetricSpec) -> str:
    """Return the unit, and what the unit 1 says."""
    return "1, a pure number" if spec.unit == "1" else spec.unit


def needs(spec: MetricSpec) -> str:
    """Return what must be seen."""
    return "; ".join(NEEDS[need] for need in spec.needs)


def explanation(metric: type[Metric]) -> str:
    """Return what the docstring of a metric says, a paragraph a line; tables stay as they are."""
    text = inspect.cleandoc(metric.__doc__ or "").removeprefix("Return ")
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        laid_out = any(line.startswith(" ") for line in lines)
        paragraphs.append(paragraph if laid_out else " ".join(lines))
    text = "\n\n".join(paragraphs)
    return text[:1].upper() + text[1:]


def description(metric: type[Metric]) -> dict[str, Any]:
    """Return the fields of the spec and what the docstring says, ready for JSON."""
    return {**asdict(metric.spec), "explanation": explanation(metric)}
