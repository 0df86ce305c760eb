"""A finished comparison: its findings, tables and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cortexscope.analysis import Analysis
from cortexscope.comparing._conditions import Condition, Quantity, parsed
from cortexscope.document import Document, Prose, Section
from cortexscope.errors import ConditionError, ModelError
from cortexscope.report.compared import (
    MARGIN,
    compared_findings,
    compared_table,
    compared_tasks,
)
from cortexscope.store import Run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Outcome"]


class Outcome(NamedTuple):
    """What became of a condition, of one model."""

    condition: Condition
    model: str
    holds: bool | None
    """Whether it is true; None where it hangs on what is undefined."""
    values: tuple[tuple[str, float | None], ...]
    """Its quantities by the names that were written."""

    @property
    def failed(self) -> bool:
        """Whether the model fails by it: what is unknown is no pass."""
        return self.holds is not False

    def __str__(self) -> str:
        """Return a sentence."""
        told = ", ".join(
            f"{name} is {'undefined' if value is None else f'{value:.4g}'}"
            for name, value in self.values
        )
        what = {True: "holds", False: "does not hold", None: "cannot be decided"}[self.holds]
        return f"{self.condition.text!r} {what} of {self.model}: {told}."


class Comparison:
    """What a run folder has of models that were compared.

    Args:
        run: a folder that `compare` wrote.
        margin: bits per byte by which a model may be worse and still pass for as good.
    """

    def __init__(self, run: Run, *, margin: float = MARGIN) -> None:
        self.run = run
        self.margin = margin
        self._analysis = Analysis(run)

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    def __repr__(self) -> str:
        return f"<Comparison in {self.path}: {', '.join(self.models)}>"

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The labels of the models that were compared with another, without noise floors."""
        table = self.table("predictions")
        return tuple(dict.fromkeys(table.loc[~table["noise"].astype(bool), "model"]))

    def table(self, name: str) -> pd.DataFrame:
        """Return a table: `predictions`, `states`, `metrics`, `layers`, `heads` or `neurons`.

        Raises:
            UnknownNameError: if there is no such table.
        """
        return self._analysis.table(f"compared_{name}")

    @property
    def failures(self) -> dict[str, str]:
        """Why models could not be measured, by label."""
        return self.run.manifest.failures

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        return compared_findings(self._analysis, margin=self.margin)

    def document(self) -> Document:
        """Return the findings, then how far predictions lie apart."""
        blocks = (Prose(self.findings, "list"), compared_table(self._analysis))
        tasks = compared_tasks(self._analysis)
        many = len(self.run.manifest.suite.tasks) > 1
        sections = (Section("compared", "", (*blocks, *([tasks] if many else []))),)
        return Document("", sections)

    def report(self) -> Path:
        """Write tables, figures and report.html into the run folder; return the report's path."""
        from cortexscope.report import write_report

        return write_report(self.run).report

    def check(self, conditions: Sequence[str | Condition]) -> tuple[Outcome, ...]:
        """Return what becomes of conditions such as `kl.upper > 0.02`, one a model each.

        Raises:
            UnknownNameError: if a name is misspelt.
            UsageError: if one is no condition.
        """
        manifest = self.run.manifest
        every = [
            own
            if isinstance(own, Condition)
            else parsed(own, metrics=manifest.metrics, tasks=manifest.suite.tasks)
            for own in conditions
        ]
        return tuple(self._outcome(own, model) for own in every for model in self.models)

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """End where a model failed, or a condition on one.

        Raises:
            ModelError: if a model could not be measured.
            ConditionError: if a condition holds of a model, or cannot be decided.
        """
        if self.failures:
            told = "; ".join(f"{model}: {why}" for model, why in self.failures.items())
            raise ModelError(
                f"{', '.join(self.failures)} failed, and the other models are compared; the same "
                f"with --out {self.path} --resume tries just that again ({told})"
            )
        failed = [own for own in outcomes if own.failed]
        if failed:
            raise ConditionError(" ".join(map(str, failed)))

    def _outcome(self, condition: Condition, model: str) -> Outcome:
        values = {own: self._value(own, model) for own in condition.quantities}
        told = tuple((own.name, value) for own, value in values.items())
        return Outcome(condition, model, condition.holds(values.__getitem__), told)

    def _value(self, quantity: Quantity, model: str) -> float | None:
        table = self._analysis.table(quantity.place.table)
        if table.empty:
            return None
        rows = table[table["model"] == model]
        if quantity.metric is not None:
            rows = rows[rows["metric"] == quantity.metric]
        elif not quantity.place.reduce:
            task = rows["task"]
            rows = rows[task.isna() if quantity.task is None else task == quantity.task]
        values = rows[quantity.place.column].to_numpy(dtype=np.float64)
        known = values[~np.isnan(values)]
        if not len(known):
            return None
        return float({"max": known.max(), "min": known.min()}.get(quantity.place.reduce, known[-1]))
