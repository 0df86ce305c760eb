"""An average neither rises nor falls with the number of parameters throughout."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, parameters_of
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._words import counted, metric_unit, spoken
from cortexscope.audit.kinds._differences import difference, mean_over_prompts
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["NotMonotonic"]


class NotMonotonic(OfMetric):
    """The average neither rises nor falls with the number of parameters throughout."""

    kind: Literal["not_monotonic"]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Count the rises and falls of an average from the smallest model to the largest."""
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run)
        averages = evidence.models.get(self.metric, {})
        facts = evidence.facts
        sizes = {name: parameters_of(facts[name].get("Parameters", "")) for name in averages}
        ordered = sorted((n for n in sizes if not math.isnan(sizes[n])), key=lambda n: sizes[n])
        quantities = [
            Quantity(f"{spoken(self.metric)}, {name}", None, averages[name].value,
                     note=f"{facts[name]['Parameters']} parameters",
                     unit=metric_unit(self.metric))
            for name in ordered
        ]  # fmt: skip
        if len(ordered) < 3:
            said = "Fewer than 3 models have a size and an average."
            return evidence.says("cannot be checked", said, *quantities)
        steps = [averages[after].above(averages[one]) for one, after in itertools.pairwise(ordered)]
        rises, falls = steps.count(True), steps.count(False)
        n = len(ordered)
        said = f"From the smallest to the largest of {n} models it rises {rises} and falls "
        verdict: Verdict = "holds" if rises and falls else "contradicted"
        check = evidence.says(verdict, f"{said}{falls} times.", *quantities)
        ways = math.factorial(n)
        caveat = (
            f"That is what to expect of any {n} figures without order: 2 of their {ways} orders "
            "rise or fall throughout. The models differ in family, data and width as well as in "
            "size, so the figures say nothing of what size does within a family."
        )
        return replace(check, caveats=(caveat,))

    def _over_prompts(self, evidence: Evidence, run: RunValues) -> Check:
        """Ask for a clear rise and a clear fall from a run's smallest model to its largest."""
        table = run.by_prompt(self.metric)
        assert table is not None
        ordered = sorted(map(str, table.columns), key=lambda label: run.info(label).parameters)
        n = len(ordered)
        if n < 3:
            said = f"The run has {counted(n, 'model')}, and 3 are needed."
            return evidence.says("cannot be checked", said)
        steps = [
            difference(
                f"{after} less {before}",
                mean_over_prompts(table, (table[after] - table[before]).to_numpy()),
                self.metric,
            )
            for before, after in itertools.pairwise(ordered)
        ]
        clear = [step.right for step in steps]
        rises, falls = clear.count(True), clear.count(False)
        said = f"From the smallest to the largest of {n} models it clearly rises {rises} and "
        said += f"clearly falls {falls} times."
        steady = max(rises, falls) == len(clear)
        verdict: Verdict = "contradicted" if steady else "cannot be checked"
        # A step is not claimed to go one way.
        steps = [replace(step, claimed=None, right=None) for step in steps]
        return evidence.says("holds" if rises and falls else verdict, said, *steps)
