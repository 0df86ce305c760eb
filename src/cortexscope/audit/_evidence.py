"""What a claim is checked against: the published files, the figures that claims quote, or a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cortexscope.audit._given import Given
from cortexscope.audit._grid import INPUTS, Cell, Grid
from cortexscope.audit._records import Check, Lead, Quantity, Source, Verdict
from cortexscope.audit._rounding import is_number, unit_of
from cortexscope.audit._words import spoken

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.audit._run_values import RunValues

__all__ = ["Evidence", "Known", "evidence_of", "mean_of_known", "parameters_of", "unit_of_size"]

_SAID: dict[bool | None, Verdict] = {
    True: "holds",
    False: "contradicted",
    None: "cannot be checked",
}
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
        if abs(self.value - other.value) <= reach + 1e-12:
            return None if reach else False
        return self.value > other.value


def mean_of_known(values: Sequence[Known]) -> Known:
    """Return the mean; it may be off by as much as they are on average."""
    n = len(values)
    return Known(math.fsum(v.value for v in values) / n, math.fsum(v.half for v in values) / n)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Averages of models and tasks, from one source.

    Of a run the models of `facts` and `models` have its own labels, and those of `cells` the
    study's, where they have one.
    """

    against: Source
    facts: Mapping[str, Mapping[str, str]]
    """Of each model: Architecture, Parameters."""
    counts: Mapping[str, int]
    """Of models, tasks and so on; empty of a run."""
    models: Mapping[str, Mapping[str, Known]]
    """Average by metric and model."""
    tasks: Mapping[str, Mapping[str, Known]]
    """Average by metric and task; of the quoted tasks only, where there are no cells."""
    cells: Mapping[str, Mapping[Cell, float]] | None = None
    """Table 1 by metric; None where only quoted figures are known."""
    inputs: int | None = None
    """How many inputs were analysed in all."""
    ddof: int = 1
    """Of standard deviations."""
    given: Given = field(default_factory=Given)
    """The study's files."""
    hubs: Mapping[str, str] = field(default_factory=dict)
    """Hub ids of the study's models, by label."""
    run: RunValues | None = None
    """Of a run, all that was read of it."""
    prompts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Of a run, by metric its values by prompt and model, of the prompts that all its models have
    a value for, so that what is found has an interval."""
    study: Evidence | None = None
    """Of a run, what the study's own files say, or its claims."""

    def says(
        self,
        verdict: Verdict | bool | None,
        sentence: str,
        *quantities: Quantity,
        leads: Sequence[Lead | None] = (),
        caveats: tuple[str, ...] = (),
    ) -> Check:
        """Return a verdict from this source; of what is so, is not so, or cannot be told (None)."""
        if not isinstance(verdict, str):
            verdict = _SAID[verdict]
        tested = tuple(lead for lead in leads if lead is not None)
        return Check(self.against, verdict, sentence, quantities, tested, caveats)

    def figures(self, metric: str) -> dict[str, float]:
        """Return all figures of a metric by what they are of: cells, or else averages."""
        if self.cells is not None:
            cells = self.cells.get(metric, {})
            return {f"{model}, {spoken(task)}": value for (model, task), value in cells.items()}
        models, tasks = self.models.get(metric, {}), self.tasks.get(metric, {})
        known = {**models, **{spoken(task): one for task, one in tasks.items()}}
        return {name: one.value for name, one in known.items()}

    def by_magnitude(self, metric: str) -> Evidence:
        """Return it with the magnitudes of one metric's figures."""
        if self.run is not None:
            return self.run.by_magnitude(metric).evidence(self.study)
        if self.cells is not None:
            sizes = {cell: abs(value) for cell, value in self.cells.get(metric, {}).items()}
            return self._of({**self.cells, metric: sizes})
        models, tasks = (
            {**own, metric: {name: known.magnitude for name, known in own.get(metric, {}).items()}}
            for own in (self.models, self.tasks)
        )
        return replace(self, models=models, tasks=tasks)

    def of_models(self, names: Sequence[str]) -> Evidence:
        """Return it with the cells of some models only, and the averages of tasks over these."""
        if self.run is not None:
            return self.run.of_models(names).evidence(self.study)
        if self.cells is None:
            return replace(self, tasks={})
        cells = {
            metric: {cell: value for cell, value in own.items() if cell[0] in names}
            for metric, own in self.cells.items()
        }
        return replace(self._of(cells), counts={**self.counts, "models": len(names)})

    def _of(self, cells: Mapping[str, Mapping[Cell, float]]) -> Evidence:
        """Return it with other cells, and the averages over these."""
        models, tasks = (
            {metric: _averages(own, side) for metric, own in cells.items()} for side in (0, 1)
        )
        return replace(self, cells=cells, models=models, tasks=tasks)

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
    inputs = grid.values[INPUTS]
    return Evidence(
        against="the published files",
        facts=grid.facts,
        counts={
            "models": len(grid.models),
            "tasks": len(grid.tasks),
            "combinations": len(grid.rows),
            "architectures": len({grid.facts[model].get("Architecture") for model in grid.models}),
        },
        models={},
        tasks={},
        inputs=int(sum(inputs.values())) if inputs else None,
        ddof=ddof,
    )._of({name: grid.values[name] for name in grid.metrics})


def _averages(values: Mapping[Cell, float], side: int) -> dict[str, Known]:
    names = dict.fromkeys(cell[side] for cell in values)
    return {
        name: mean_of_known([Known(value) for cell, value in values.items() if cell[side] == name])
        for name in names
    }


def unit_of_size(text: str) -> float:
    """Return what a number of parameters is counted in: 1e6 for `109.5M`."""
    return _SIZES.get(text[-1:], 1.0)


def parameters_of(text: str) -> float:
    """Return a number of parameters as the study writes it, in numbers.

    Example:
        >>> parameters_of("109.5M"), parameters_of("1.4B")
        (109500000.0, 1400000000.0)
    """
    digits = text.rstrip("KMB")
    return float(digits) * unit_of_size(text) if is_number(digits) else math.nan
