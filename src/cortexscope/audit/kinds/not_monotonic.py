"""An average neither rises nor falls with the number of parameters throughout."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, parameters_of
from cortexscope.audit._records import Check
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._compared import difference, mean_over_prompts
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["NotMonotonic"]


class NotMonotonic(OfMetric):
    """The average neither rises nor falls with the number of parameters throughout."""

    kind: Literal["not_monotonic"]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Count the rises and falls of an average from the smallest model to the largest."""
        if evidence.run is not None:
            return self._over_prompts(evidence)
        averages = evidence.models.get(self.metric, {})
        stated = {name: evidence.facts[name].get("Parameters", "") for name in averages}
        sizes = {name: parameters_of(text) for name, text in stated.items()}
        ordered = sorted((n for n in sizes if not math.isnan(sizes[n])), key=lambda n: sizes[n])
        quantities = [
            self.number(f"{self.spoken}, {n}", averages[n].value, f"{stated[n]} parameters")
            for n in ordered
        ]
        n = len(ordered)
        if n < 3:
            said = "Fewer than 3 models have a size and an average."
            return evidence.says(None, said, *quantities)
        steps = [averages[after].above(averages[one]) for one, after in itertools.pairwise(ordered)]
        rises, falls = steps.count(True), steps.count(False)
        said = f"From the smallest to the largest of {n} models it rises {rises} and falls "
        caveat = (
            f"That is what to expect of any {n} figures without order: 2 of their "
            f"{math.factorial(n)} orders rise or fall throughout. The models differ in family, "
            "data and width as well as in size, so the figures say nothing of what size does "
            "within a family."
        )
        right = bool(rises and falls)
        return evidence.says(right, f"{said}{falls} times.", *quantities, caveats=(caveat,))

    def _over_prompts(self, evidence: Evidence) -> Check:
        """Ask for a clear rise and a clear fall from a run's smallest model to its largest."""
        run = evidence.run
        table = None if run is None else run.by_prompt(self.metric)
        assert run is not None
        assert table is not None
        ordered = sorted(map(str, table.columns), key=lambda label: run.info(label).parameters)
        n = len(ordered)
        if n < 3:
            return evidence.says(None, f"The run has {counted(n, 'model')}, and 3 are needed.")
        steps = []
        for before, after in itertools.pairwise(ordered):
            found = mean_over_prompts(table, (table[after] - table[before]).to_numpy())
            steps.append(difference(f"{after} less {before}", found, self.metric))
        clear = [step.right for step in steps]
        rises, falls = clear.count(True), clear.count(False)
        said = f"From the smallest to the largest of {n} models it clearly rises {rises} and "
        said += f"clearly falls {falls} times."
        steady = len(clear) in (rises, falls)
        right = True if rises and falls else False if steady else None
        # A step is not claimed to go one way.
        return evidence.says(right, said, *(replace(s, claimed=None, right=None) for s in steps))
