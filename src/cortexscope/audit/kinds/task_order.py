"""The means of some tasks fall in the order claimed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Lead, Quantity
from cortexscope.audit._words import capital, metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._task_differences import is_above, judged, lacks_tasks, unit_in
from cortexscope.audit.kinds._tasks import RAW, count_of, over_models, told

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["TaskOrder"]


class TaskOrder(OfMetric):
    """The means of these tasks fall in this order."""

    kind: Literal["task_order"]
    tasks: tuple[str, ...]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare each task with the next in the order claimed."""
        pairs = list(itertools.pairwise(self.tasks))
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run, pairs)
        means = evidence.tasks.get(self.metric, {})
        missing = [task for task in self.tasks if task not in means]
        quantities = [
            Quantity(
                f"mean of {spoken(self.metric)}, {spoken(task)}", None, means[task].value,
                note=count_of(evidence), unit=metric_unit(self.metric),
            )
            for task in self.tasks
            if task in means
        ]  # fmt: skip
        if missing:
            said = f"No average of {', '.join(map(spoken, missing))} is known."
            return evidence.says("cannot be checked", said, *quantities)
        steps = {(one, after): means[one].above(means[after]) for one, after in pairs}
        row = " > ".join(f"{means[task].value:.4g}" for task in self.tasks)
        for (before, after), above in steps.items():
            if above is False:
                said = f"{capital(spoken(after))} ({means[after].value:.4g}) is not below "
                said += f"{spoken(before)} ({means[before].value:.4g})."
                return evidence.says("contradicted", said, *quantities)
        if None in steps.values():
            return evidence.says("cannot be checked", "Rounding hides the order.", *quantities)
        leads = self._leads(evidence, pairs)
        verdict, tested = told(leads)
        check = evidence.says(verdict, f"The averages are {row}. {tested}", *quantities)
        return replace(check, leads=tuple(filter(None, leads)), caveats=(RAW,))

    def _over_prompts(
        self, evidence: Evidence, run: RunValues, pairs: Sequence[tuple[str, str]]
    ) -> Check:
        """Compare each task with the next, as a run has measured them."""
        frame, fair = run.of(self.metric), run.of(self.metric, fair=True)
        assert frame is not None
        parts, beside = (
            [is_above(own, *pair) for pair in pairs] if own is not None else []
            for own in (frame, fair)
        )
        unit, leads = unit_in(frame, self.metric), self._leads(evidence, pairs)
        return judged(evidence, parts, beside, unit=unit, leads=leads)

    def _leads(self, evidence: Evidence, pairs: Sequence[tuple[str, str]]) -> list[Lead | None]:
        """Test each step over models."""
        return [
            over_models(evidence, self.metric, before, [after], "highest")
            for before, after in pairs
        ]

    def lacking(self, evidence: Evidence) -> str:
        """Return what a run lacks to be asked."""
        missing = super().lacking(evidence)
        return missing or lacks_tasks(evidence, self.metric, self.tasks)
