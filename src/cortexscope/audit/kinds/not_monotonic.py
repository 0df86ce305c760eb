"""An average neither rises nor falls with the number of parameters throughout."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cortexscope.audit._evidence import Evidence, parameters_of
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._words import metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["NotMonotonic"]


class NotMonotonic(OfMetric):
    """The average neither rises nor falls with the number of parameters throughout."""

    kind: Literal["not_monotonic"]

    def judge(self, evidence: Evidence) -> Check:
        """Count the rises and falls of an average from the smallest model to the largest."""
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

    def in_run(self, values: RunValues, study: Evidence) -> Check:
        """Ask for a clear rise and a clear fall from the smallest model to the largest."""
        from cortexscope.audit.kinds._models_in_run import not_monotonic_in_run

        return not_monotonic_in_run(self, values)
