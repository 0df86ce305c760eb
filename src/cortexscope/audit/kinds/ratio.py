"""One architecture's average is above another's, perhaps by a stated factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, mean_of_known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import counted, metric_unit
from cortexscope.audit.kinds._compared import all_right, difference, mean_over_prompts
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
                said = f"The run has no {kind}." if evidence.run else f"No {kind} is listed."
                return evidence.says(None, said)
        table = None if evidence.run is None else evidence.run.by_prompt(self.metric)
        if table is not None:
            over_prompts = self._every_over_prompts if self.every else self._over_prompts
            return over_prompts(evidence, table, groups)
        return (self._every if self.every else self._averages)(evidence, groups)

    def _averages(self, evidence: Evidence, groups: Groups) -> Check:
        known = evidence.models[self.metric]
        above, below = (mean_of_known([known[m] for m in models]) for models in groups.values())
        quantities = [
            self.number(
                f"{self.spoken}, {kind}s", average.value, f"n = {counted(len(models), 'model')}"
            )
            for (kind, models), average in zip(groups.items(), (above, below), strict=True)
        ]
        counts = [counted(len(models), kind) for kind, models in groups.items()]
        beside = f"{above.value:.4g} over {counts[0]} against {below.value:.4g} over {counts[1]}"
        right = above.above(below)
        if right is None:
            return evidence.says(None, f"Rounding hides it: {beside}.", *quantities)
        if self.value is not None and above.value and below.value:
            quotient = above.value / below.value
            # Rounding may have moved both averages, one up and the other down.
            slack = abs(quotient) * (above.half / abs(above.value) + below.half / abs(below.value))
            fits = agrees(self.value, quotient, slack=slack)
            quantities.append(Quantity("quotient", self.value, quotient, right=fits))
            right, beside = right and fits, f"{beside}: a factor of {quotient:.3g}"
        return evidence.says(right, f"{beside}.", *quantities)

    def _every(self, evidence: Evidence, groups: Groups) -> Check:
        """Compare every model of the one architecture with the highest of the other."""
        known = evidence.models[self.metric]
        highest = max(groups[self.to], key=lambda name: known[name].value)
        limit = f"{known[highest].value:.4g}"
        above = {name: known[name].above(known[highest]) for name in groups[self.of]}
        quantities = [
            Quantity(
                f"{self.spoken}, {name}", f"above {limit}", known[name].value, right=right,
                unit=metric_unit(self.metric),
            )
            for name, right in above.items()
        ]  # fmt: skip
        of = f"{counted(len(above), self.of)} with {highest} ({limit})"
        below = [f"{m} ({known[m].value:.4g})" for m, right in above.items() if right is False]
        said = f"Of {of} beside all are above it."
        if below:
            said = f"Of {of} beside: not above it is {', '.join(below)}."
        elif None in above.values():
            said = "Rounding hides it."
        return evidence.says(all_right(list(above.values())), said, *quantities)

    def _over_prompts(self, evidence: Evidence, table: pd.DataFrame, groups: Groups) -> Check:
        """Compare a run's architectures over the prompts that all its models read."""
        averages = {kind: table[list(own)].mean(axis=1).to_numpy() for kind, own in groups.items()}
        found = mean_over_prompts(table, averages[self.of] - averages[self.to])
        beyond = difference(f"{self.of}s less {self.to}s", found, self.metric, read_by="all")
        means = {kind: float(own.mean()) for kind, own in averages.items()}
        quantities = [
            self.number(
                f"{self.spoken}, {kind}s", mean, f"{', '.join(groups[kind])}; n = {found.n} prompts"
            )
            for kind, mean in means.items()
        ]
        quantities.append(beyond)
        if self.value is not None and means[self.to]:
            quotient = means[self.of] / means[self.to]
            note = "of other models, so that it is not judged"
            quantities.append(Quantity("quotient", self.value, quotient, note=note))
        counts = " and ".join(counted(len(models), kind) for kind, models in groups.items())
        text = f"– ({found.reason})" if found.low is None else f"{found:.3g}"
        said = f"Over {counts} the difference is {text}, over {found.n} prompts. It is of "
        return evidence.says(
            beyond.right, f"{said}these models, not of architectures.", *quantities
        )

    def _every_over_prompts(self, evidence: Evidence, table: pd.DataFrame, groups: Groups) -> Check:
        """Compare every model of the one architecture with every one of the other."""
        quantities = []
        for one, other in itertools.product(groups[self.of], groups[self.to]):
            found = mean_over_prompts(table, (table[one] - table[other]).to_numpy())
            quantities.append(difference(f"{one} less {other}", found, self.metric))
        held = [quantity.right for quantity in quantities]
        refuted = [quantity.name for quantity in quantities if quantity.right is False]
        said = f"Of {counted(len(held), 'pair')} of models {held.count(True)} are clearly so"
        said += f", and clearly not {', '.join(refuted)}." if refuted else "."
        return evidence.says(all_right(held), said, *quantities)
