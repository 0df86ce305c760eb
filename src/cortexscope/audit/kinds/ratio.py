"""One architecture's average is above another's, perhaps by a stated factor."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, mean_of_known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import counted, metric_unit, spoken
from cortexscope.audit.kinds._differences import difference, mean_over_prompts, verdict_of
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.stats import Estimate

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
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare two architectures' averages, and their quotient where one is claimed."""
        groups = {kind: evidence.models_of(self.metric, kind) for kind in (self.of, self.to)}
        for kind, models in groups.items():
            if not models:
                said = f"The run has no {kind}." if evidence.run else f"No {kind} is listed."
                return evidence.says("cannot be checked", said)
        run = evidence.run
        table = None if run is None else run.by_prompt(self.metric)
        if table is not None:
            over_prompts = self._every_over_prompts if self.every else self._over_prompts
            return over_prompts(evidence, table, groups)
        if self.every:
            return self._every(evidence)
        counts = {kind: len(models) for kind, models in groups.items()}
        above, below = (
            mean_of_known([evidence.models[self.metric][name] for name in models])
            for models in groups.values()
        )
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

    def _over_prompts(
        self, evidence: Evidence, table: pd.DataFrame, groups: Mapping[str, tuple[str, ...]]
    ) -> Check:
        """Compare a run's architectures over the prompts that all its models read."""
        averages = {kind: table[list(own)].mean(axis=1).to_numpy() for kind, own in groups.items()}
        found = mean_over_prompts(table, averages[self.of] - averages[self.to])
        beyond = difference(f"{self.of}s less {self.to}s", found, self.metric, read_by="all")
        means = {kind: float(own.mean()) for kind, own in averages.items()}
        quantities = [
            *(
                Quantity(f"{spoken(self.metric)}, {kind}s", None, mean,
                         note=f"{', '.join(groups[kind])}; n = {found.n} prompts",
                         unit=metric_unit(self.metric))
                for kind, mean in means.items()
            ),
            beyond,
        ]  # fmt: skip
        if self.value is not None and means[self.to]:
            quotient = means[self.of] / means[self.to]
            note = "of other models, so that it is not judged"
            quantities.append(Quantity("quotient", self.value, quotient, note=note))
        counts = " and ".join(counted(len(models), kind) for kind, models in groups.items())
        said = f"Over {counts} the difference is {_text(found)}, over {found.n} prompts. It is of "
        said += "these models, not of architectures."
        return evidence.says(verdict_of(beyond.right), said, *quantities)

    def _every_over_prompts(
        self, evidence: Evidence, table: pd.DataFrame, groups: Mapping[str, tuple[str, ...]]
    ) -> Check:
        """Compare every model of the one architecture with every one of the other."""
        quantities = []
        for one, other in itertools.product(groups[self.of], groups[self.to]):
            found = mean_over_prompts(table, (table[one] - table[other]).to_numpy())
            quantities.append(difference(f"{one} less {other}", found, self.metric))
        held = [quantity.right for quantity in quantities]
        refuted = [quantity.name for quantity in quantities if quantity.right is False]
        said = f"Of {counted(len(held), 'pair')} of models {held.count(True)} are clearly so"
        said += f", and clearly not {', '.join(refuted)}." if refuted else "."
        right = False if refuted else None if None in held else True
        return evidence.says(verdict_of(right), said, *quantities)


def _text(found: Estimate) -> str:
    return f"– ({found.reason})" if found.low is None else f"{found:.3g}"
