"""One architecture's average is above another's, perhaps by a stated factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import counted, metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["Ratio"]


class Ratio(OfMetric):
    """One architecture's average is above another's, or every model of it is."""

    kind: Literal["ratio"]
    of: str
    to: str
    value: str | None = None
    """The factor."""
    every: bool = False
    """Whether it is claimed of every model of the one architecture, not of their average."""

    def judge(self, evidence: Evidence) -> Check:
        """Compare two architectures' averages, and their quotient where one is claimed."""
        found = {kind: evidence.architecture(self.metric, kind) for kind in (self.of, self.to)}
        above, below = found[self.of], found[self.to]
        if above is None or below is None:
            missing = self.of if above is None else self.to
            return evidence.says("cannot be checked", f"No {missing} is listed.")
        if self.every:
            return self._every(evidence)
        counts = {kind: len(evidence.models_of(self.metric, kind)) for kind in found}
        quantities = [
            Quantity(
                f"{spoken(self.metric)}, {kind}s", None, known.value,
                note=f"n = {counted(counts[kind], 'model')}", unit=metric_unit(self.metric),
            )
            for kind, known in ((self.of, above), (self.to, below))
        ]  # fmt: skip
        beside = f"{above.value:.4g} over {counted(counts[self.of], self.of)} against "
        beside += f"{below.value:.4g} over {counted(counts[self.to], self.to)}"
        larger = above.above(below)
        if larger is None:
            return evidence.says("cannot be checked", f"Rounding hides it: {beside}.", *quantities)
        right, said = larger, f"{beside}."
        if self.value is not None and above.value and below.value:
            quotient = above.value / below.value
            # Rounding may have moved both averages, one up and the other down.
            slack = abs(quotient) * (above.half / abs(above.value) + below.half / abs(below.value))
            fits = agrees(self.value, quotient, slack=slack)
            quantities.append(Quantity("quotient", self.value, quotient, right=fits))
            right, said = larger and fits, f"{beside}: a factor of {quotient:.3g}."
        return evidence.says("holds" if right else "contradicted", said, *quantities)

    def _every(self, evidence: Evidence) -> Check:
        """Compare every model of the one architecture with the highest of the other."""
        known = evidence.models[self.metric]
        others = evidence.models_of(self.metric, self.to)
        highest = max(others, key=lambda name: known[name].value)
        own = {name: known[name] for name in evidence.models_of(self.metric, self.of)}
        above = {name: one.above(known[highest]) for name, one in own.items()}
        unit = metric_unit(self.metric)
        quantities = [
            Quantity(f"{spoken(self.metric)}, {name}", f"above {known[highest].value:.4g}",
                     one.value, right=above[name], unit=unit)
            for name, one in own.items()
        ]  # fmt: skip
        of = f"{counted(len(own), self.of)} with {highest} ({known[highest].value:.4g})"
        below = [f"{name} ({own[name].value:.4g})" for name in own if above[name] is False]
        if below:
            said = f"Of {of} beside: not above it is {', '.join(below)}."
            return evidence.says("contradicted", said, *quantities)
        if None in above.values():
            return evidence.says("cannot be checked", "Rounding hides it.", *quantities)
        return evidence.says("holds", f"Of {of} beside all are above it.", *quantities)

    def in_run(self, values: RunValues, study: Evidence) -> Check | None:
        """Compare the run's architectures over the prompts that all its models read."""
        from cortexscope.audit.kinds._models_in_run import ratio_in_run

        return ratio_in_run(self, values)
