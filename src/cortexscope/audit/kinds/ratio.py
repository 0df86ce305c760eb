"""One architecture's average is above another's, perhaps by a stated factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, mean_of_known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._compared import all_right, beyond, in_words
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Ratio"]

Groups = Mapping[str, tuple[str, ...]]
"""Models by architecture."""


class Ratio(OfMetric):
    """One architecture's average is above another's, or every model of it is."""

    kind: Literal["ratio"]
    of: str
    to: str
    value: str | None = None
    """The factor."""
    every: bool = False
    """Whether it is claimed of every model of the one architecture, not of their average."""
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare two architectures' averages, and their quotient where one is claimed."""
        groups = {kind: evidence.models_of(self.metric, kind) for kind in (self.of, self.to)}
        for kind, models in groups.items():
            if not models:
                where = "The run has no" if evidence.run else "There is no"
                return evidence.says(None, f"{where} average of {kind}s.")
        return (self._every if self.every else self._averages)(evidence, groups)

    def _averages(self, evidence: Evidence, groups: Groups) -> Check:
        known, run = evidence.models[self.metric], evidence.run
        above, below = (mean_of_known([known[m] for m in models]) for models in groups.values())
        quantities = [
            self.number(
                f"{self.spoken}, {kind}s",
                average.value,
                f"n = {counted(len(models), 'model')}: {', '.join(models)}",
            )
            for (kind, models), average in zip(groups.items(), (above, below), strict=True)
        ]
        name = f"{self.of}s less {self.to}s"
        step = beyond(evidence, self.metric, groups[self.of], groups[self.to], name)
        quantities.append(step)
        counts = [counted(len(models), kind) for kind, models in groups.items()]
        said = f"{above.value:.4g} over {counts[0]} against {below.value:.4g} over {counts[1]}"
        said += f", a difference of {in_words(step)}" if run else ""
        right = step.right
        if right is None:
            said = f"{'It cannot be told' if run else 'Rounding hides it'}: {said}"
        elif self.value is not None and above.value and below.value:
            quotient = above.value / below.value
            # Rounding may have moved both averages, one up and the other down.
            slack = abs(quotient) * (above.half / abs(above.value) + below.half / abs(below.value))
            fits = None if run else agrees(self.value, quotient, slack=slack)
            note = "of other models, so that it is not judged" if run else ""
            quantities.append(Quantity("quotient", self.value, quotient, right=fits, note=note))
            right, said = right and fits is not False, f"{said}: a factor of {quotient:.3g}"
        said += ". It is of these models, not of architectures." if run else "."
        return evidence.says(right, said, *quantities)

    def _every(self, evidence: Evidence, groups: Groups) -> Check:
        """Compare every model of the one architecture with every one of the other."""
        known = evidence.models[self.metric]
        beside = {
            f"{one} ({known[one].value:.4g}) beside {other} ({known[other].value:.4g})": beyond(
                evidence, self.metric, (one,), (other,), f"{one} less {other}"
            )
            for one, other in itertools.product(groups[self.of], groups[self.to])
        }
        held = [step.right for step in beside.values()]
        clearly = "clearly " if evidence.run else ""
        said = f"Of {counted(len(held), 'pair')} of models {held.count(True)} are {clearly}so"
        refuted = [pair for pair, step in beside.items() if step.right is False]
        said += f", and {clearly}not {', '.join(refuted)}" if refuted else ""
        return evidence.says(all_right(held), f"{said}.", *beside.values())
