"""An average neither rises nor falls with the number of parameters throughout."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, parameters_of
from cortexscope.audit._records import OTHER_MODELS, Check
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._compared import beyond
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["NotMonotonic"]


class NotMonotonic(OfMetric):
    """The average neither rises nor falls with the number of parameters throughout."""

    kind: Literal["not_monotonic"]
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Count the rises and falls of an average from the smallest model to the largest."""
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
            said = f"Of {counted(n, 'model')} a size and an average are known, and 3 are needed."
            return evidence.says(None, said, *quantities)
        steps = [
            beyond(evidence, self.metric, (after,), (one,), f"{after} less {one}")
            for one, after in itertools.pairwise(ordered)
        ]
        clear = [step.right for step in steps]
        rises, falls = clear.count(True), clear.count(False)
        clearly = "clearly " if evidence.run else ""
        said = f"From the smallest to the largest of {n} models it {clearly}rises {rises} and "
        said += f"{clearly}falls {falls} times."
        if evidence.run:
            steady = len(clear) in (rises, falls)
            right = True if rises and falls else False if steady else None
        else:
            right = bool(rises and falls)
        caveat = (
            f"That is what to expect of any {n} figures without order: 2 of their "
            f"{math.factorial(n)} orders rise or fall throughout."
        )
        if evidence.against != OTHER_MODELS:
            caveat += (
                " The models differ in family, data and width as well as in size, so the figures "
                "say nothing of what size does within a family."
            )
        # A step is not claimed to go one way.
        quantities += [replace(step, claimed=None, right=None) for step in steps]
        return evidence.says(right, said, *quantities, caveats=(caveat,))
