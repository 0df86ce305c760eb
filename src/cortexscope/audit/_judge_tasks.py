"""Claims on the order of tasks, by their averages over models."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from cortexscope.audit._claims import TaskExtreme, TaskOrder, metric_unit, spoken
from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Quantity

__all__ = ["NO_LENGTHS", "task_extreme", "task_order"]

NO_LENGTHS = "That is raw: no lengths of prompts are published."
"""What a claim on tasks that holds in the published tables leaves open."""


def task_extreme(spec: TaskExtreme, evidence: Evidence) -> Check:
    """Compare a task with all others, on average or in every model."""
    means = evidence.tasks.get(spec.metric, {})
    if spec.each_model:
        return _in_each_model(spec, evidence)
    if spec.task not in means:
        return evidence.says("cannot be checked", f"No average of {spoken(spec.task)} is known.")
    own = means[spec.task]
    rivals = {task: known for task, known in means.items() if task not in (spec.task, *spec.after)}
    name = f"mean of {spoken(spec.metric)}"
    unit, n = metric_unit(spec.metric), _count(evidence)
    quantities = [Quantity(f"{name}, {spoken(spec.task)}", None, own.value, note=n, unit=unit)]
    if rivals:
        rival = _first(rivals, spec.end)
        quantities.append(
            Quantity(f"{name}, {spoken(rival)}", None, rivals[rival].value, note=n, unit=unit)
        )
        ahead = _ahead(own, rivals[rival], spec.end)
        if ahead is False:
            said = f"{spoken(rival).capitalize()} is {_than(spec.end)}: {rivals[rival].value:.4g} "
            said += f"against {own.value:.4g}."
            return evidence.says("contradicted", said, *quantities)
    for task in spec.after:
        if task in means and _ahead(means[task], own, spec.end) is False:
            said = f"{spoken(task).capitalize()} does not come before it: "
            said += f"{means[task].value:.4g} against {own.value:.4g}."
            return evidence.says("contradicted", said, *quantities)
    unknown = len(evidence.every_task) - len(means)
    if unknown > 0 or not rivals:
        said = f"It comes first of the {len(rivals) + 1} averages that are quoted"
        said += f"; those of {unknown} other tasks are not." if unknown > 0 else "."
        return evidence.says("cannot be checked", said, *quantities)
    if ahead is None:
        said = f"Rounding hides whether {spoken(rival)} is {_than(spec.end)}."
        return evidence.says("cannot be checked", said, *quantities)
    place = (
        f"after {' and '.join(map(spoken, spec.after))}" if spec.after else f"of {len(means)} tasks"
    )
    said = f"It is the {spec.end} {place}: {own.value:.4g}, then {spoken(rival)} with "
    said += f"{rivals[rival].value:.4g}. {NO_LENGTHS}"
    return evidence.says("holds", said, *quantities)


def _in_each_model(spec: TaskExtreme, evidence: Evidence) -> Check:
    if evidence.cells is None:
        return evidence.says("cannot be checked", "No figure of a task in one model is quoted.")
    cells = evidence.cells.get(spec.metric, {})
    models = dict.fromkeys(model for model, _ in cells)
    quantities, others = [], []
    for model in models:
        own = {task: Known(value) for (name, task), value in cells.items() if name == model}
        if spec.task not in own:
            others.append(f"{model} (no value of {spoken(spec.task)})")
            continue
        first = _first(own, spec.end)
        quantities.append(
            Quantity(
                f"{spec.end} {spoken(spec.metric)}, {model}", spoken(spec.task), spoken(first),
                right=first == spec.task, note=f"{own[first].value:g}",
            )
        )  # fmt: skip
        if first != spec.task:
            others.append(f"{spoken(first)} in {model}")
    if not models:
        return evidence.says("cannot be checked", f"There is no {spoken(spec.metric)}.")
    if others:
        said = f"It is not the {spec.end} everywhere: {'; '.join(others)}."
        return evidence.says("contradicted", said, *quantities)
    said = f"It is the {spec.end} in each of {len(models)} models. {NO_LENGTHS}"
    return evidence.says("holds", said, *quantities)


def task_order(spec: TaskOrder, evidence: Evidence) -> Check:
    """Compare each task with the next in the order claimed."""
    means = evidence.tasks.get(spec.metric, {})
    missing = [task for task in spec.tasks if task not in means]
    quantities = [
        Quantity(
            f"mean of {spoken(spec.metric)}, {spoken(task)}", None, means[task].value,
            note=_count(evidence), unit=metric_unit(spec.metric),
        )
        for task in spec.tasks
        if task in means
    ]  # fmt: skip
    if missing:
        said = f"No average of {', '.join(map(spoken, missing))} is known."
        return evidence.says("cannot be checked", said, *quantities)
    steps = {pair: means[pair[0]].above(means[pair[1]]) for pair in itertools.pairwise(spec.tasks)}
    row = " > ".join(f"{means[task].value:.4g}" for task in spec.tasks)
    for (before, after), above in steps.items():
        if above is False:
            said = f"{spoken(after).capitalize()} ({means[after].value:.4g}) is not below "
            said += f"{spoken(before)} ({means[before].value:.4g})."
            return evidence.says("contradicted", said, *quantities)
    if None in steps.values():
        return evidence.says("cannot be checked", "Rounding hides the order.", *quantities)
    alone = "" if evidence.cells is None else f" {NO_LENGTHS}"
    return evidence.says("holds", f"{row}.{alone}", *quantities)


def _count(evidence: Evidence) -> str:
    return "as quoted" if evidence.cells is None else f"n = {evidence.counts['models']} models"


def _first(means: Mapping[str, Known], end: str) -> str:
    sign = 1.0 if end == "highest" else -1.0
    return max(means, key=lambda task: sign * means[task].value)


def _ahead(one: Known, other: Known, end: str) -> bool | None:
    return one.above(other) if end == "highest" else other.above(one)


def _than(end: str) -> str:
    return {"highest": "higher", "lowest": "lower"}[end]
