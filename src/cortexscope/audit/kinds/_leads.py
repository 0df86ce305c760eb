"""Whether averages that are as claimed are clearly so, in other models or tasks too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._lead import in_short, lead_over
from cortexscope.audit._records import Check, Lead, Over, Quantity, Verdict
from cortexscope.audit._words import metric_unit, spoken

__all__ = ["RAW", "SINGLE", "End", "lead", "sign_of", "with_leads"]

End = Literal["highest", "lowest"]
RAW = "Raw: no lengths of prompts are published, and longer prompts alone may make a difference."
"""What a claim on tasks that holds in the published tables leaves open."""
SINGLE = (
    "No lead in a single model can be tested: a cell is the mean of two prompts, and how far these "
    "lie apart is not published."
)
"""What a claim on single cells leaves open."""


def sign_of(end: End) -> float:
    """Return what figures are multiplied by so that the extreme one is the highest."""
    return 1.0 if end == "highest" else -1.0


def lead(
    evidence: Evidence, metric: str, own: str, rivals: Sequence[str], *, end: End, over: Over
) -> Lead | None:
    """Test whether a task (over models) or a model (over tasks) is the highest or lowest.

    Returns:
        The test; None without figures of cells.
    """
    if evidence.cells is None:
        return None
    rows: dict[str, dict[str, float]] = {}
    for (model, task), value in evidence.cells.get(metric, {}).items():
        where, what = (model, spoken(task)) if over == "models" else (spoken(task), model)
        rows.setdefault(where, {})[what] = sign_of(end) * value
    if over == "models":
        own, rivals = spoken(own), list(map(spoken, rivals))
    words = f"{own} less {{}}" if end == "highest" else f"{{}} less {own}"
    return lead_over(over, rows, own, rivals, words=words, unit=metric_unit(metric))


def with_leads(
    evidence: Evidence, said: str, leads: Sequence[Lead | None], quantities: Sequence[Quantity],
    *, over: Over, caveats: tuple[str, ...] = (),
) -> Check:  # fmt: skip
    """Return the verdict on averages that are as claimed, with the tests in words."""
    known = [each for each in leads if each is not None]
    verdict: Verdict = "holds on average only"
    if len(known) < len(leads) or not known:
        tests = f"Without figures of each {over[:-1]} no lead can be tested."
    else:
        clear = all(each.clear for each in known)
        verdict = "holds" if clear else verdict
        tests = f"Over the {over} the lead is {'' if clear else 'not '}clear: {in_short(known)}."
    return evidence.says(verdict, f"{said} {tests}", *quantities, leads=known, caveats=caveats)
