"""Tasks of a run beside one another: as measured, and with the prompts' length controlled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._lead import in_short
from cortexscope.audit._records import Check, Lead, Quantity, Verdict
from cortexscope.audit._words import capital, counted, metric_unit, spoken
from cortexscope.audit.kinds._compared import all_right

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.stats import Comparison, Estimate

__all__ = ["Part", "is_above", "is_first", "judged", "unit_in"]

_FAIR_UNIT = "of the most possible"
# Over several models each one's values are standard scores.
_SCORES = "standard deviations"
# Of `holds`: what is refuted decides before what is open.
_RANK = {False: 0, None: 1, True: 2}


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison that a claim needs, raw and with length controlled."""

    words: str
    """What the difference is, such as `mathematical reasoning less the next task`."""
    raw: Comparison
    adjusted: Comparison
    named: bool = False
    """Whether the task that comes next has to be named."""


def is_first(frame: pd.DataFrame, task: str, words: str) -> Part:
    """Compare a task with the next of all."""
    return Part(words, *_both(frame, task), named=True)


def is_above(frame: pd.DataFrame, one: str, other: str) -> Part:
    """Compare a task with another one."""
    both = frame[frame["task"].isin((one, other))]
    return Part(f"{spoken(one)} less {spoken(other)}", *_both(both, one))


def _both(frame: pd.DataFrame, task: str) -> tuple[Comparison, Comparison]:
    from cortexscope.stats import highest_task, units_of

    units = units_of(frame)
    # A task without a value is in the frame alone.
    own = units if task in units.tasks else frame
    return highest_task(own, task, adjusted=False), highest_task(own, task, adjusted=True)


def unit_in(frame: pd.DataFrame | None, metric: str) -> str:
    """Return the unit of differences of tasks over the models of a frame."""
    alone = frame is not None and frame["model"].nunique() < 2
    return metric_unit(metric) if alone else _SCORES


def judged(
    evidence: Evidence, parts: Sequence[Part], beside: Sequence[Part], *, unit: str,
    means: Sequence[Quantity] = (), leads: Sequence[Lead | None] = (),
) -> Check:  # fmt: skip
    """Return what the comparisons that a claim needs say of it.

    `beside` are the same in the normalised entropy, where that was measured; `unit` is that of the
    differences, `means` are of tasks, and `leads` the same tested over models.
    """
    fair_unit = _SCORES if unit == _SCORES else _FAIR_UNIT
    verdict, said = _verdict(parts)
    decides = _deciding(parts)
    said += f" {capital(decides.words)}: {_numbers(decides, unit)}"
    fair = next((part for part in beside if part.words == decides.words), None)
    if fair is not None:
        said += " In the normalised entropy, which does not grow with the prompt: "
        said += _numbers(fair, fair_unit)
    tested = [lead for lead in leads if lead is not None]
    said += f" Model by model: {in_short(tested)}." if tested else ""
    quantities = (
        *means,
        *(own for part in parts for own in _quantities(part, "", unit)),
        *(own for part in beside for own in _quantities(part, "normalised entropy: ", fair_unit)),
    )
    return evidence.says(verdict, said, *quantities, leads=leads)


def _verdict(parts: Sequence[Part]) -> tuple[Verdict, str]:
    raw = all_right([part.raw.holds for part in parts])
    adjusted = all_right([part.adjusted.holds for part in parts])
    unknown = next(
        (part.adjusted.reason for part in parts if part.adjusted.difference.low is None), None
    )
    if raw is False:
        return "contradicted", "It is not so as measured."
    if raw is None and adjusted is False:
        said = "As measured it cannot be told; with the prompts' length controlled it is not so."
        return "contradicted", said
    if raw is None:
        why = next(part.raw.reason for part in parts if part.raw.holds is None)
        said = f"As measured it cannot be told: {why}"
        if adjusted:
            said += "; with the prompts' length controlled it is so"
        elif unknown is None:
            said += "; nor is it to be seen with the prompts' length controlled"
        return "cannot be checked", f"{said}."
    if adjusted:
        return "holds", "It is so as measured, and with the prompts' length controlled."
    if adjusted is None and unknown is not None:
        said = f"It is so as measured; whether length explains it cannot be told: {unknown}."
        return "cannot be checked", said
    how = "not so" if adjusted is False else "no longer to be seen"
    said = f"It is so as measured, and {how} with the prompts' length controlled."
    return "holds only raw", said


def _deciding(parts: Sequence[Part]) -> Part:
    """Return the comparison that the verdict hangs on: a refuted one, or else an open one."""
    return min(parts, key=lambda part: [_RANK[part.raw.holds], _RANK[part.adjusted.holds]])


def _numbers(part: Part, unit: str) -> str:
    """Return the two differences of a comparison, with their intervals."""
    raw, adjusted = (
        f" ({spoken(found.other)})" if part.named and found.other else ""
        for found in (part.raw, part.adjusted)
    )
    return (
        f"{_text(part.raw.difference)} {unit} as measured{raw}, {_text(part.adjusted.difference)} "
        f"with length controlled{adjusted}; n = {counted(part.raw.difference.n, 'prompt')}."
    )


def _text(found: Estimate) -> str:
    if found.value is None:
        return f"undefined ({found.reason})"
    return f"{found.value:.3g} (no interval)" if found.low is None else f"{found:.3g}"


def _quantities(part: Part, title: str, unit: str) -> Iterator[Quantity]:
    for way, found in (("as measured", part.raw), ("length controlled", part.adjusted)):
        other = f" ({spoken(found.other)})" if found.other and part.named else ""
        own = found.difference
        note = f"n = {counted(own.n, 'prompt')}; {own.method}"
        note += f"; {found.reason}" if found.reason else ""
        yield Quantity(
            f"{title}{part.words}{other}, {way}", "> 0", own.value,
            own.low, own.high, own.positive, note, unit,
        )  # fmt: skip
