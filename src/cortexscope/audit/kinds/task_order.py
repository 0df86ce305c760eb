"""The means of some tasks fall in the order claimed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import capital, metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._tasks import RAW, count_of, over_models, told

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["TaskOrder"]


class TaskOrder(OfMetric):
    """The means of these tasks fall in this order."""

    kind: Literal["task_order"]
    tasks: tuple[str, ...]

    def judge(self, evidence: Evidence) -> Check:
        """Compare each task with the next in the order claimed."""
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
        pairs = list(itertools.pairwise(self.tasks))
        steps = {(one, after): means[one].above(means[after]) for one, after in pairs}
        row = " > ".join(f"{means[task].value:.4g}" for task in self.tasks)
        for (before, after), above in steps.items():
            if above is False:
                said = f"{capital(spoken(after))} ({means[after].value:.4g}) is not below "
                said += f"{spoken(before)} ({means[before].value:.4g})."
                return evidence.says("contradicted", said, *quantities)
        if None in steps.values():
            return evidence.says("cannot be checked", "Rounding hides the order.", *quantities)
        leads = [
            over_models(evidence, self.metric, before, [after], "highest")
            for before, after in pairs
        ]
        verdict, tested = told(leads)
        check = evidence.says(verdict, f"The averages are {row}. {tested}", *quantities)
        return replace(check, leads=tuple(filter(None, leads)), caveats=(RAW,))

    def in_run(self, values: RunValues, study: Evidence) -> Check:
        """Compare each task with the next in the order claimed."""
        from cortexscope.audit.kinds._tasks_in_run import task_order_in_run

        return task_order_in_run(self, values)
