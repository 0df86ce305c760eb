"""A model has the most extreme average of all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._lead import in_short, lead_over
from cortexscope.audit._records import Check, Lead, Quantity
from cortexscope.audit._words import metric_unit, spoken
from cortexscope.audit.kinds._compared import compared
from cortexscope.audit.kinds._differences import difference, mean_over_prompts
from cortexscope.audit.kinds._kind import OfMetric

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["ModelExtreme"]


class ModelExtreme(OfMetric):
    """A model has the most extreme average."""

    kind: Literal["model_extreme"]
    model: str
    end: Literal["highest", "lowest"]
    value: str
    of_runs: ClassVar[bool] = True
    of_named_models: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare a model's average with all others', and with the figure claimed."""
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run)
        averages = evidence.models.get(self.metric, {})
        if self.model not in averages or len(averages) < 2:
            said = f"No averages of {self.model} and of others are known."
            return evidence.says("cannot be checked", said)
        keyed = {name: _key(known, self.end) for name, known in averages.items()}
        rivals = [name for name in keyed if name != self.model]
        rival = max(rivals, key=lambda name: keyed[name].value)
        own, other = averages[self.model], averages[rival]
        name, unit = spoken(self.metric), metric_unit(self.metric)
        figure = compared(f"{name}, {self.model}", self.value, own, metric=self.metric)
        quantities = [figure, Quantity(f"{name}, {rival}", None, other.value, unit=unit)]
        beside = f"{own.value:.4g}, and {rival} has {other.value:.4g}"
        ahead = keyed[self.model].above(keyed[rival])
        if ahead is None:
            return evidence.says("cannot be checked", f"Rounding hides it: {beside}.", *quantities)
        said = f"Of {len(averages)} models it is {'' if ahead else 'not '}the {self.end}: {beside}."
        if not figure.right:
            said += f" The figure quoted is {self.value}."
        if not (ahead and figure.right):
            return evidence.says("contradicted", said, *quantities)
        lead = self._over_tasks(evidence, rivals)
        if lead is None:
            said += " Without figures of each task no lead can be tested."
            return evidence.says("holds on average only", said, *quantities)
        clear = "clear" if lead.clear else "not clear"
        said += f" Over the tasks the lead is {clear}: {in_short([lead])}."
        check = evidence.says("holds" if lead.clear else "holds on average only", said, *quantities)
        return replace(check, leads=(lead,))

    def _over_tasks(self, evidence: Evidence, rivals: list[str]) -> Lead | None:
        """Test it over tasks, where their figures are known."""
        if evidence.cells is None:
            return None
        rows: dict[str, dict[str, float]] = {}
        for (model, task), value in evidence.cells.get(self.metric, {}).items():
            rows.setdefault(spoken(task), {})[model] = _key(Known(value), self.end).value
        words = f"{self.model} less {{}}" if self.end == "highest" else f"{{}} less {self.model}"
        return lead_over(
            "tasks", rows, self.model, rivals, words=words, unit=metric_unit(self.metric)
        )

    def _over_prompts(self, evidence: Evidence, run: RunValues) -> Check:
        """Compare a model with those of the study that the run has, prompt by prompt."""
        table = run.by_prompt(self.metric)
        assert table is not None
        known = {m: label for m, label in run.of_study().items() if label in table.columns}
        if self.model not in known or len(known) < 2:
            said = f"The run has {self.model if self.model in known else 'no ' + self.model}"
            said += "." if self.model not in known else " and no other model of the study."
            return evidence.says("cannot be checked", said)
        sign = -1.0 if self.end == "lowest" else 1.0
        own = sign * table[known.pop(self.model)].to_numpy()
        quantities = []
        for model, label in known.items():
            found = mean_over_prompts(table, own - sign * table[label].to_numpy())
            quantities.append(difference(f"{self.model} beyond {model}", found, self.metric))
        beyond = dict(zip(known, (quantity.right for quantity in quantities), strict=True))
        of = f"of the {len(known) + 1} models of the study that the run has"
        missing = len(run.hubs) - len(known) - 1
        refuted = [model for model, right in beyond.items() if right is False]
        if refuted:
            return evidence.says("contradicted", f"{refuted[0]} is beyond it, {of}.", *quantities)
        if None in beyond.values():
            said = f"Another one may be as far, {of}."
        elif missing:
            said = f"It is the one {of}; the other {missing} "
            said += f"{'are' if missing > 1 else 'is'} missing."
        else:
            return evidence.says("holds", f"It is the one {of}.", *quantities)
        return evidence.says("cannot be checked", said, *quantities)


def _key(known: Known, end: str) -> Known:
    return Known(-known.value if end == "lowest" else known.value, known.half)
