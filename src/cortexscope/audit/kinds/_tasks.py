"""What claims on the order of tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._lead import in_short, lead_over
from cortexscope.audit._records import Lead, Verdict
from cortexscope.audit._words import metric_unit, spoken

__all__ = ["RAW", "SINGLE", "ahead", "count_of", "first", "over_models", "told"]

RAW = "Raw: no lengths of prompts are published, and longer prompts alone may make a difference."
"""What a claim on tasks that holds in the published tables leaves open."""
SINGLE = (
    "No lead in a single model can be tested: a cell is the mean of two prompts, and how far these "
    "lie apart is not published."
)
"""What a claim on single cells leaves open."""


def over_models(
    evidence: Evidence, metric: str, own: str, rivals: Sequence[str], end: str
) -> Lead | None:
    """Test over models whether a task is the highest or lowest; None without figures of cells."""
    if evidence.cells is None:
        return None
    sign = 1.0 if end == "highest" else -1.0
    rows: dict[str, dict[str, float]] = {}
    for (model, task), value in evidence.cells.get(metric, {}).items():
        rows.setdefault(model, {})[spoken(task)] = sign * value
    words = f"{spoken(own)} less {{}}" if end == "highest" else f"{{}} less {spoken(own)}"
    return lead_over(
        "models", rows, spoken(own), [spoken(task) for task in rivals], words=words,
        unit=metric_unit(metric),
    )  # fmt: skip


def told(leads: Sequence[Lead | None]) -> tuple[Verdict, str]:
    """Return the verdict on averages that are as claimed, with the tests in words."""
    tested = [lead for lead in leads if lead is not None]
    if len(tested) < len(leads) or not tested:
        return "holds on average only", "Without figures of each model no lead can be tested."
    said = in_short(tested)
    if all(lead.clear for lead in tested):
        return "holds", f"Over the models the lead is clear: {said}."
    return "holds on average only", f"Over the models the lead is not clear: {said}."


def count_of(evidence: Evidence) -> str:
    """Return how many models an average is of, as a note."""
    return "as quoted" if evidence.cells is None else f"n = {evidence.counts['models']} models"


def first(means: Mapping[str, Known], end: str) -> str:
    """Return the highest or lowest."""
    sign = 1.0 if end == "highest" else -1.0
    return max(means, key=lambda task: sign * means[task].value)


def ahead(one: Known, other: Known, end: str) -> bool | None:
    """Return whether one is further to that end; None where rounding hides it."""
    return one.above(other) if end == "highest" else other.above(one)
