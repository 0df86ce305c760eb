"""Claims on the order of tasks against a run: as measured, and with length controlled."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._lead import in_short
from cortexscope.audit._records import Check, Lead, Quantity, Verdict
from cortexscope.audit._run_values import RunValues
from cortexscope.audit._words import METRICS, metric_unit, spoken
from cortexscope.audit.kinds._tasks import over_models
from cortexscope.stats import Comparison, highest_task, task_means

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.audit.kinds.task_extreme import TaskExtreme
    from cortexscope.audit.kinds.task_order import TaskOrder

__all__ = ["task_extreme_in_run", "task_order_in_run"]

_FAIR_UNIT = "of the most possible"
# Over several models each one's values are standard scores.
_SCORES = "standard deviations"
# Of `holds`: what is refuted decides before what is open.
_RANK = {False: 0, None: 1, True: 2}


@dataclass(frozen=True, slots=True)
class _Part:
    """One comparison that a claim needs, raw and with length controlled."""

    words: str
    """What the difference is, such as `mathematical reasoning less the next task`."""
    raw: Comparison
    adjusted: Comparison
    named: bool = False
    """Whether the task that comes next has to be named."""


def task_extreme_in_run(spec: TaskExtreme, values: RunValues, study: Evidence) -> Check:
    """Compare a task with the best other one, over all models of the run or in each."""
    frame = values.of(spec.metric)
    named = (spec.task, *spec.after)
    missing = _missing(frame, named, spec.metric, values)
    if frame is None or missing:
        return Check(values.against, "cannot be checked", missing)
    parts = list(_extreme(spec, frame))
    fair = values.of(spec.metric, fair=True)
    beside = [] if fair is None else list(_extreme(spec, fair))
    means = () if spec.each_model else tuple(_means(spec, frame, parts[0]))
    leads = [] if spec.each_model else _leads(spec, values, frame)
    alone = spec.each_model or frame["model"].nunique() < 2
    check = _check(values, parts, beside, means, leads, unit=metric_unit(spec.metric), alone=alone)
    lead = None if spec.each_model else _published_lead(spec, study)
    if lead is None:
        return check
    unit, n = metric_unit(spec.metric), f"n = {study.counts['models']} models"
    published = Quantity(f"{parts[0].words}, in the study", None, lead, note=n, unit=unit)
    sentence = f"{check.sentence} In the study's tables the difference is {lead:.3g} {unit}."
    return replace(check, sentence=sentence, quantities=(*check.quantities, published))


def _leads(spec: TaskExtreme, values: RunValues, frame: pd.DataFrame) -> list[Lead | None]:
    """Test the means of the run's models as those of the study are tested."""
    evidence = values.evidence(spec.metric)
    rivals = [t for t in dict.fromkeys(frame["task"]) if t not in (spec.task, *spec.after)]
    return [
        over_models(evidence, spec.metric, spec.task, rivals, spec.end),
        *(over_models(evidence, spec.metric, task, [spec.task], spec.end) for task in spec.after),
    ]


def _published_lead(spec: TaskExtreme, study: Evidence) -> float | None:
    """Return how far the task lies beyond the next in the published tables, where it is known."""
    means = study.tasks.get(spec.metric, {}) if study.cells is not None else {}
    others = [one.value for task, one in means.items() if task not in (spec.task, *spec.after)]
    if spec.task not in means or not others:
        return None
    own = means[spec.task].value
    return own - max(others) if spec.end == "highest" else min(others) - own


def task_order_in_run(spec: TaskOrder, values: RunValues) -> Check:
    """Compare each task with the next in the order claimed."""
    frame = values.of(spec.metric)
    missing = _missing(frame, spec.tasks, spec.metric, values)
    if frame is None or missing:
        return Check(values.against, "cannot be checked", missing)
    pairs = list(itertools.pairwise(spec.tasks))
    parts = [_pair(frame, before, after) for before, after in pairs]
    fair = values.of(spec.metric, fair=True)
    beside = [] if fair is None else [_pair(fair, before, after) for before, after in pairs]
    evidence = values.evidence(spec.metric)
    leads = [
        over_models(evidence, spec.metric, before, [after], "highest") for before, after in pairs
    ]
    alone = frame["model"].nunique() < 2
    return _check(values, parts, beside, (), leads, unit=metric_unit(spec.metric), alone=alone)


def _missing(
    frame: pd.DataFrame | None, tasks: Sequence[str], metric: str, values: RunValues
) -> str:
    """Return why a claim has nothing to be checked with; empty where it has."""
    if frame is None:
        why = values.missing.get(METRICS.get(metric, ""), "was not measured")
        return f"The run has no {spoken(metric)}: {why}."
    absent = [spoken(task) for task in tasks if task not in set(frame["task"])]
    if absent:
        return f"The run has no prompt of {', '.join(absent)}."
    others = set(frame["task"]) - set(tasks)
    return "" if others or len(tasks) > 1 else "The run has no other task to compare it with."


def _extreme(spec: TaskExtreme, frame: pd.DataFrame) -> Iterator[_Part]:
    if spec.each_model:
        for label in dict.fromkeys(frame["model"]):
            own = frame[frame["model"] == label]
            if own["value"].notna().any():
                yield _extreme_of(spec, own, f"in {label}")
        return
    yield _extreme_of(spec, frame, "")
    for task in spec.after:
        ends = (task, spec.task) if spec.end == "highest" else (spec.task, task)
        yield _pair(frame, *ends)


def _extreme_of(spec: TaskExtreme, frame: pd.DataFrame, where: str) -> _Part:
    left = frame[~frame["task"].isin(spec.after)]
    if spec.end == "lowest":
        left = left.assign(value=-left["value"])
    ends = (spoken(spec.task), "the next task")
    words = " less ".join(ends if spec.end == "highest" else reversed(ends))
    words = f"{words} {where}".strip()
    return _Part(words, *_both(left, spec.task), named=True)


def _pair(frame: pd.DataFrame, above: str, below: str) -> _Part:
    both = frame[frame["task"].isin((above, below))]
    return _Part(f"{spoken(above)} less {spoken(below)}", *_both(both, above))


def _both(frame: pd.DataFrame, task: str) -> tuple[Comparison, Comparison]:
    return (
        highest_task(frame, task, adjusted=False),
        highest_task(frame, task, adjusted=True),
    )


def _check(
    values: RunValues,
    parts: Sequence[_Part],
    beside: Sequence[_Part],
    means: tuple[Quantity, ...],
    leads: Sequence[Lead | None],
    *,
    unit: str,
    alone: bool,
) -> Check:
    """Return the check; differences that are not of models alone are in standard deviations."""
    unit, fair_unit = (unit, _FAIR_UNIT) if alone else (_SCORES, _SCORES)
    verdict, said = _verdict(parts)
    decides = _deciding(parts)
    said += f" {decides.words[0].upper()}{decides.words[1:]}: {_numbers(decides, unit)}"
    fair = next((part for part in beside if part.words == decides.words), None)
    if fair is not None:
        said += " In the normalised entropy, which does not grow with the prompt: "
        said += _numbers(fair, fair_unit)
    quantities = [
        *means,
        *(quantity for part in parts for quantity in _quantities(part, "", unit)),
        *(
            quantity
            for part in beside
            for quantity in _quantities(part, "normalised entropy: ", fair_unit)
        ),
    ]
    tested = tuple(lead for lead in leads if lead is not None)
    if tested:
        said += f" Model by model: {in_short(tested)}."
    return Check(values.against, verdict, said, tuple(quantities), tested)


def _all(comparisons: Iterable[Comparison]) -> bool | None:
    """Return whether all of them hold; False as soon as one is refuted, None where it is open."""
    held = [comparison.holds for comparison in comparisons]
    return False if False in held else None if None in held or not held else True


def _verdict(parts: Sequence[_Part]) -> tuple[Verdict, str]:
    raw, adjusted = _all(part.raw for part in parts), _all(part.adjusted for part in parts)
    unknown = next((part.adjusted.reason for part in parts if part.adjusted.low is None), None)
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
    if adjusted is False:
        said = "It is so as measured, and not so with the prompts' length controlled."
        return "holds only raw", said
    if unknown is not None:
        said = f"It is so as measured; whether length explains it cannot be told: {unknown}."
        return "cannot be checked", said
    said = "It is so as measured, and no longer to be seen with the prompts' length controlled."
    return "holds only raw", said


def _deciding(parts: Sequence[_Part]) -> _Part:
    """Return the comparison that the verdict hangs on: a refuted one, or else an open one."""
    return min(parts, key=lambda part: [_RANK[part.raw.holds], _RANK[part.adjusted.holds]])


def _numbers(part: _Part, unit: str) -> str:
    """Return the two differences of a comparison, with their intervals."""
    raw, adjusted = (
        f" ({spoken(found.other)})" if part.named and found.other else ""
        for found in (part.raw, part.adjusted)
    )
    return (
        f"{_text(part.raw)} {unit} as measured{raw}, {_text(part.adjusted)} with length "
        f"controlled{adjusted}; n = {part.raw.n} prompts."
    )


def _text(found: Comparison) -> str:
    if found.difference is None:
        return f"undefined ({found.reason})"
    if found.low is None or found.high is None:
        return f"{found.difference:.3g} (no interval)"
    return f"{found.difference:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _quantities(part: _Part, title: str, unit: str) -> Iterator[Quantity]:
    for way, found in (("as measured", part.raw), ("length controlled", part.adjusted)):
        other = f" ({spoken(found.other)})" if found.other and part.named else ""
        note = f"n = {found.n} prompts; {found.method}"
        note += f"; {found.reason}" if found.reason else ""
        yield Quantity(
            f"{title}{part.words}{other}, {way}", "> 0", found.difference,
            found.low, found.high, found.holds, note, unit,
        )  # fmt: skip


def _means(spec: TaskExtreme, frame: pd.DataFrame, part: _Part) -> Iterator[Quantity]:
    """Yield the means of the task and of the next one, as measured and at equal lengths."""
    for way, found in (("as measured", part.raw), ("length controlled", part.adjusted)):
        rows = task_means(frame, adjusted=way != "as measured").set_index("task")
        for task in dict.fromkeys((spec.task, found.other)):
            if task is None or task not in rows.index:
                continue
            row = rows.loc[task].to_dict()
            mean, low, high = (
                None if np.isnan(row[name]) else float(row[name])
                for name in ("mean", "low", "high")
            )
            note = f"n = {row['n']} prompts; {row['method']}"
            note += f"; {row['reason']}" if row["reason"] else ""
            name = f"mean of {spoken(spec.metric)}, {spoken(task)}, {way}"
            unit = metric_unit(spec.metric) if frame["model"].nunique() < 2 else _SCORES
            yield Quantity(name, None, mean, low, high, None, note, unit)
