"""One architecture's average is above another's, perhaps by a stated factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known, mean_of_known
from cortexscope.audit._records import OTHER_MODELS, Check, Quantity
from cortexscope.audit._rounding import agrees, unit_of
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._compared import all_right, beyond, clustered, in_words
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    import pandas as pd

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
        if self.value is not None and above.value and below.value:
            factor = self._factor(evidence, groups, above, below)
            quantities.append(factor)
            said += f": a factor of {factor.found:.3g}"
            if factor.note:
                said += f" ({factor.note})"
            else:
                right = all_right([right, factor.right])
                told = {True: "", False: f", not {self.value}", None: f", perhaps {self.value}"}
                said += told[factor.right]
        if right is None:
            said = f"{'It cannot be told' if run else 'Rounding hides it'}: {said}"
        said += ". It is of these models, not of architectures." if run else "."
        return evidence.says(right, said, *quantities)

    def _factor(self, evidence: Evidence, groups: Groups, above: Known, below: Known) -> Quantity:
        """Return the quotient; a note says why it is not judged, where it is not."""
        assert self.value is not None
        run, quotient = evidence.run, above.value / below.value
        if run is None:
            # Rounding may have moved both averages, one up and the other down.
            slack = abs(quotient) * (above.half / abs(above.value) + below.half / abs(below.value))
            fits = agrees(self.value, quotient, slack=slack)
            return Quantity("quotient", self.value, quotient, right=fits)
        known, whole = len(self.asked_of(run)), len(run.hubs)
        note = ""
        if evidence.against == OTHER_MODELS:
            note = "of other models, so that it is not judged"
        elif known < whole:
            note = f"of {known} of the study's {counted(whole, 'model')}, so that it is not judged"
        fits_here = None if note else self._fits(evidence.prompts[self.metric], groups)
        return Quantity("quotient", self.value, quotient, right=fits_here, note=note)

    def _fits(self, table: pd.DataFrame, groups: Groups) -> bool | None:
        """Return whether a run's factor is the one claimed, in its digits; None where open.

        It is above a number where the one average less so many times the other is above 0, which
        has an interval over prompts (Fieller 1954).
        """
        from cortexscope.stats import mean_of

        assert self.value is not None
        of, to = (table[list(own)].mean(axis=1).to_numpy() for own in groups.values())
        half = 0.5 * unit_of(self.value)
        ends = [float(self.value) - half, float(self.value) + half]
        # Below 0 the larger factor is the smaller number.
        ends = ends if to.mean() > 0 else ends[::-1]
        over, beyond_it = (mean_of(clustered(table, of - end * to)).positive for end in ends)
        return all_right([over, None if beyond_it is None else not beyond_it])

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
