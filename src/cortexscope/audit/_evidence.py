"""What a claim is checked against: the cells of Table 1, or the figures that claims quote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cortexscope.audit._claims import (
    Claim,
    Count,
    ModelFigures,
    TaskFigures,
)
from cortexscope.audit._grid import INPUTS, Cell, Grid
from cortexscope.audit._records import Check, Quantity, Source, Verdict
from cortexscope.audit._rounding import is_number, unit_of

__all__ = ["Evidence", "Known", "evidence_of", "mean_of_known", "parameters_of", "quoted"]

_SIZES = {"K": 1e3, "M": 1e6, "B": 1e9}


@dataclass(frozen=True, slots=True)
class Known:
    """A number, and how far it may be off because it is quoted rounded."""

    value: float
    half: float = 0.0

    @classmethod
    def quoted(cls, text: str) -> Known:
        """Return the number that a printed figure stands for."""
        return cls(float(text), 0.5 * unit_of(text))

    @property
    def magnitude(self) -> Known:
        """Without its sign."""
        return Known(abs(self.value), self.half)

    def above(self, other: Known) -> bool | None:
        """Return whether it is the larger one; None where rounding hides it."""
        reach = self.half + other.half
        if abs(self.value - other.value) <= reach:
            return None if reach else False
        return self.value > other.value


def mean_of_known(values: Sequence[Known]) -> Known:
    """Return the mean; it may be off by as much as they are on average."""
    n = len(values)
    return Known(math.fsum(v.value for v in values) / n, math.fsum(v.half for v in values) / n)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Averages of models and tasks, from one source."""

    against: Source
    facts: Mapping[str, Mapping[str, str]]
    """Of each model: Architecture, Parameters."""
    counts: Mapping[str, int]
    """Of models and tasks."""
    models: Mapping[str, Mapping[str, Known]]
    """Average by metric and model."""
    tasks: Mapping[str, Mapping[str, Known]]
    """Average by metric and task; of the quoted tasks only, where there are no cells."""
    every_task: tuple[str, ...]
    """The names of all tasks, those without an average too."""
    cells: Mapping[str, Mapping[Cell, float]] | None
    """Table 1 by metric; None where only quoted figures are known."""
    inputs: int | None
    """How many inputs were analysed in all."""
    ddof: int = 1
    """Of standard deviations."""

    def says(self, verdict: Verdict, sentence: str, *quantities: Quantity) -> Check:
        """Return a verdict from this source."""
        return Check(self.against, verdict, sentence, quantities)

    def models_of(self, metric: str, kind: str) -> tuple[str, ...]:
        """Return the models of an architecture that have an average of the metric."""
        known = self.models.get(metric, {})
        return tuple(name for name in known if self.facts[name].get("Architecture") == kind)

    def architecture(self, metric: str, kind: str) -> Known | None:
        """Return an architecture's average over its models; None where there is no model."""
        known = [self.models[metric][name] for name in self.models_of(metric, kind)]
        return mean_of_known(known) if known else None


def evidence_of(grid: Grid, *, ddof: int) -> Evidence:
    """Return Table 1 as evidence."""
    metrics = grid.metrics
    inputs = grid.values[INPUTS]
    return Evidence(
        against="the published files",
        facts={model: dict(grid.facts[model]) for model in grid.models},
        counts={
            "models": len(grid.models),
            "tasks": len(grid.tasks),
            "combinations": len(grid.rows),
        },
        models={name: _averages(grid.values[name], 0) for name in metrics},
        tasks={name: _averages(grid.values[name], 1) for name in metrics},
        every_task=grid.tasks,
        cells={name: grid.values[name] for name in metrics},
        inputs=int(sum(inputs.values())) if inputs else None,
        ddof=ddof,
    )


def _averages(values: Mapping[Cell, float], side: int) -> dict[str, Known]:
    names = dict.fromkeys(cell[side] for cell in values)
    return {
        name: mean_of_known([Known(value) for cell, value in values.items() if cell[side] == name])
        for name in names
    }


def quoted(claims: Iterable[Claim]) -> Evidence:
    """Return the figures that the claims quote as evidence for one another."""
    facts: dict[str, dict[str, str]] = {}
    models: dict[str, dict[str, Known]] = {}
    tasks: dict[str, dict[str, Known]] = {}
    every_task: tuple[str, ...] = ()
    for claim in claims:
        check = claim.check
        if isinstance(check, ModelFigures):
            for name, own in check.values.items():
                facts[name] = {column: text for column, text in own.items() if not is_number(text)}
                for column, text in own.items():
                    if is_number(text):
                        models.setdefault(column, {})[name] = Known.quoted(text)
        elif isinstance(check, TaskFigures):
            own_tasks = {task: Known.quoted(both.mean) for task, both in check.values.items()}
            tasks.setdefault(check.metric, {}).update(own_tasks)
        elif isinstance(check, Count):
            every_task = every_task or check.names
    return Evidence(
        against="the claims' own figures",
        facts=facts,
        counts={"models": len(facts), "tasks": len(every_task)},
        models=models,
        tasks=tasks,
        every_task=every_task,
        cells=None,
        inputs=None,
    )


def parameters_of(text: str) -> float:
    """Return a number of parameters as the study writes it, in numbers.

    Example:
        >>> parameters_of("109.5M"), parameters_of("1.4B")
        (109500000.0, 1400000000.0)
    """
    size = _SIZES.get(text[-1:], 1.0)
    digits = text.rstrip("KMB")
    return float(digits) * size if is_number(digits) else math.nan
