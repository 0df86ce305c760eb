"""A model has the most extreme average of all."""

from __future__ import annotations

from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check
from cortexscope.audit.kinds._compared import compared, difference, mean_over_prompts
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._leads import End, lead, sign_of, with_leads

__all__ = ["ModelExtreme"]


class ModelExtreme(OfMetric):
    """A model has the most extreme average."""

    kind: Literal["model_extreme"]
    model: str
    end: End
    value: str
    of_runs: ClassVar[bool] = True
    of_named_models: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Compare a model's average with all others', and with the figure claimed."""
        if evidence.run is not None:
            return self._over_prompts(evidence)
        averages = evidence.models.get(self.metric, {})
        if self.model not in averages or len(averages) < 2:
            return evidence.says(None, f"No averages of {self.model} and of others are known.")
        sign = sign_of(self.end)
        keyed = {name: Known(sign * known.value, known.half) for name, known in averages.items()}
        rivals = [name for name in keyed if name != self.model]
        rival = max(rivals, key=lambda name: keyed[name].value)
        own, other = averages[self.model], averages[rival]
        figure = compared(f"{self.spoken}, {self.model}", self.value, own, metric=self.metric)
        quantities = (figure, self.number(f"{self.spoken}, {rival}", other.value))
        beside = f"{own.value:.4g}, and {rival} has {other.value:.4g}"
        ahead = keyed[self.model].above(keyed[rival])
        if ahead is None:
            return evidence.says(None, f"Rounding hides it: {beside}.", *quantities)
        said = f"Of {len(averages)} models it is {'' if ahead else 'not '}the {self.end}: {beside}."
        if not figure.right:
            said += f" The figure quoted is {self.value}."
        if not (ahead and figure.right):
            return evidence.says(False, said, *quantities)
        own_lead = lead(evidence, self.metric, self.model, rivals, end=self.end, over="tasks")
        return with_leads(evidence, said, [own_lead], quantities, over="tasks")

    def _over_prompts(self, evidence: Evidence) -> Check:
        """Compare a model with those of the study that the run has, prompt by prompt."""
        run = evidence.run
        table = None if run is None else run.by_prompt(self.metric)
        assert run is not None
        assert table is not None
        known = {m: label for m, label in run.of_study().items() if label in table.columns}
        if self.model not in known:
            return evidence.says(None, f"The run has no {self.model}.")
        if len(known) < 2:
            return evidence.says(None, f"The run has {self.model} and no other model of the study.")
        sign = sign_of(self.end)
        own = sign * table[known.pop(self.model)].to_numpy()
        quantities = []
        for model, label in known.items():
            found = mean_over_prompts(table, own - sign * table[label].to_numpy())
            quantities.append(difference(f"{self.model} beyond {model}", found, self.metric))
        beyond = {model: q.right for model, q in zip(known, quantities, strict=True)}
        of = f"of the {len(known) + 1} models of the study that the run has"
        missing = len(run.hubs) - len(known) - 1
        refuted = next((model for model, right in beyond.items() if right is False), None)
        if refuted is not None:
            return evidence.says(False, f"{refuted} is beyond it, {of}.", *quantities)
        if None in beyond.values():
            return evidence.says(None, f"Another one may be as far, {of}.", *quantities)
        if not missing:
            return evidence.says(True, f"It is the one {of}.", *quantities)
        said = f"It is the one {of}; the other {missing} {'are' if missing > 1 else 'is'} missing."
        return evidence.says(None, said, *quantities)
