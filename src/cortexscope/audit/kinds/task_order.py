"""The means of some tasks fall in the order claimed."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check
from cortexscope.audit._words import capital, spoken
from cortexscope.audit.kinds._leads import lead, with_leads
from cortexscope.audit.kinds._task_differences import is_above, judged, unit_in
from cortexscope.audit.kinds._tasks import RAW, OfTasks

__all__ = ["TaskOrder"]


class TaskOrder(OfTasks):
    """The means of these tasks fall in this order."""

    kind: Literal["task_order"]
    tasks: tuple[str, ...]
    of_runs: ClassVar[bool] = True

    @property
    def named(self) -> tuple[str, ...]:
        """All of them."""
        return self.tasks

    def judge(self, evidence: Evidence) -> Check:
        """Compare each task with the next in the order claimed."""
        pairs, run = list(itertools.pairwise(self.tasks)), evidence.run
        leads = [
            lead(evidence, self.metric, one, [after], end="highest", over="models")
            for one, after in pairs
        ]
        if run is not None:
            parts, beside = (
                [is_above(frame, *pair) for pair in pairs] if frame is not None else []
                for frame in (run.of(self.metric), run.of(self.metric, fair=True))
            )
            unit = unit_in(run.of(self.metric), self.metric)
            return judged(evidence, parts, beside, unit=unit, leads=leads)
        means = evidence.tasks.get(self.metric, {})
        missing = [task for task in self.tasks if task not in means]
        quantities = self.means(evidence, means, self.tasks)
        if missing:
            said = f"No average of {', '.join(map(spoken, missing))} is known."
            return evidence.says(None, said, *quantities)
        steps = {(one, after): means[one].above(means[after]) for one, after in pairs}
        for (before, after), above in steps.items():
            if above is False:
                said = f"{capital(spoken(after))} ({means[after].value:.4g}) is not below "
                said += f"{spoken(before)} ({means[before].value:.4g})."
                return evidence.says(False, said, *quantities)
        if None in steps.values():
            return evidence.says(None, "Rounding hides the order.", *quantities)
        row = " > ".join(f"{means[task].value:.4g}" for task in self.tasks)
        said = f"The averages are {row}."
        return with_leads(evidence, said, leads, quantities, over="models", caveats=(RAW,))
