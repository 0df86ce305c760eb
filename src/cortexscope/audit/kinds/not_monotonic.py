"""An average neither rises nor falls with the number of parameters throughout."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import replace
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, parameters_of
from cortexscope.audit._records import OTHER_MODELS, Check, Quantity
from cortexscope.audit._words import counted, listed
from cortexscope.audit.kinds._compared import beyond
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["NotMonotonic"]

# Averages that lie as near are the same, but for the rounding of the subtraction.
_TIE = 1e-12


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
        # Models of one size stand in no order: their average is one figure.
        groups = [tuple(own) for _, own in itertools.groupby(ordered, key=lambda n: sizes[n])]
        n = len(groups)
        if n < 3:
            said = f"Averages are known of models of {counted(n, 'size')}, and 3 are needed."
            return evidence.says(None, said, *quantities)
        steps = [
            beyond(evidence, self.metric, after, one, f"{listed(after)} less {listed(one)}")
            for one, after in itertools.pairwise(groups)
        ]
        ways = Counter(map(_direction, steps))
        rises, falls, ties, hidden = (ways[way] for way in ("rise", "fall", "tie", "hidden"))
        clearly = "clearly " if evidence.run else ""
        what = "models" if n == len(ordered) else "sizes of models"
        said = f"From the smallest to the largest of {n} {what} it {clearly}rises {rises} and "
        said += f"{clearly}falls {falls} times"
        said += f", and stays the same {counted(ties, 'time')}" if ties else ""
        if hidden and not (rises and falls):
            hides = "the prompts do not tell" if evidence.run else "rounding hides"
            said += f"; {hides} the way of {counted(hidden, 'step')}"
        right = True if rises and falls else None if hidden else False
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
        return evidence.says(right, f"{said}.", *quantities, caveats=(caveat,))


def _direction(step: Quantity) -> Literal["rise", "fall", "tie", "hidden"]:
    """Return which way a step goes; a tie is not above either, and goes no way."""
    if step.right is None:
        return "hidden"
    if step.right:
        return "rise"
    return "fall" if isinstance(step.found, float) and step.found < -_TIE else "tie"
