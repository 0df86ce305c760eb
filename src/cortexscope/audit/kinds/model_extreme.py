"""A model has the most extreme average of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check
from cortexscope.audit._words import counted, listed
from cortexscope.audit.kinds._compared import all_right, beyond, compared
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
        """Compare a model's average with all others' of the study, and with the figure claimed."""
        averages = evidence.models.get(self.metric, {})
        names = evidence.run.of_study() if evidence.run else {name: name for name in averages}
        labels = {name: label for name, label in names.items() if label in averages}
        if self.model not in labels:
            return evidence.says(None, f"No average of {self.model} is known.")
        if len(labels) < 2:
            return evidence.says(None, f"The average of {self.model} is known, and no other one.")
        steps = {}
        for name in (name for name in labels if name != self.model):
            own, other = (labels[self.model],), (labels[name],)
            pair = (own, other) if self.end == "highest" else (other, own)
            steps[name] = beyond(evidence, self.metric, *pair, f"{self.model} beyond {name}")
        known = {name: averages[label].value for name, label in labels.items()}
        rival = max(steps, key=lambda name: sign_of(self.end) * known[name])
        beside = f"{known[self.model]:.4g}, and {rival} has {known[rival]:.4g}"
        right = {name: step.right for name, step in steps.items()}
        if evidence.run is not None:
            missing = len(evidence.run.hubs) - len(labels)
            ahead, said = self._in_run(right, beside, missing)
            return evidence.says(ahead, said, *steps.values())
        ahead = all_right(list(right.values()))
        figure = compared(
            f"{self.spoken}, {self.model}", self.value, averages[self.model], metric=self.metric
        )
        quantities = (figure, self.number(f"{self.spoken}, {rival}", known[rival]))
        if ahead is None:
            return evidence.says(None, f"Rounding hides it: {beside}.", *quantities)
        said = f"Of {len(labels)} models it is {'' if ahead else 'not '}the {self.end}: {beside}."
        if not figure.right:
            said += f" The figure quoted is {self.value}."
        if not (ahead and figure.right):
            return evidence.says(False, said, *quantities)
        own_lead = lead(evidence, self.metric, self.model, list(steps), end=self.end, over="tasks")
        return with_leads(evidence, said, [own_lead], quantities, over="tasks")

    def _in_run(
        self, right: Mapping[str, bool | None], beside: str, missing: int
    ) -> tuple[bool | None, str]:
        """Return whether a model is beyond the others of the study that a run has, in words."""
        of = f"of the {len(right) + 1} models of the study that the run has"
        ahead = all_right(list(right.values()))
        if ahead is False:
            beyond_it = [name for name, each in right.items() if each is False]
            are = "is" if len(beyond_it) == 1 else "are"
            return False, f"{listed(beyond_it)} {are} beyond it, {of}: it has {beside}."
        if ahead is None:
            return None, f"Another one may be as far, {of}: it has {beside}."
        said = f"It is the {self.end} {of}: {beside}."
        if not missing:
            return True, said
        are = "is" if missing == 1 else "are"
        return None, f"{said} {counted(missing, 'model')} of the study {are} missing."
