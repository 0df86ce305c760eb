"""A task has the highest or lowest mean of all, over the models or in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import counted, listed, metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._tasks import RAW, SINGLE, ahead, count_of, first, over_models, told

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["TaskExtreme"]


class TaskExtreme(OfMetric):
    """A task has the highest or lowest mean of all, or of those left after some."""

    kind: Literal["task_extreme"]
    task: str
    end: Literal["highest", "lowest"]
    after: tuple[str, ...] = ()
    """Tasks that the claim puts before it."""
    each_model: bool = False
    """Whether it is claimed of every model on its own."""
    models: tuple[str, ...] = ()
    """Of which it is claimed; of all where there are none."""

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence, of the models that are meant."""
        evidence = super().seen(evidence)
        return evidence.of_models(self.models) if self.models else evidence

    def decided_by(self, check: Check) -> bool:
        """Return whether one model is a counterexample."""
        return self.each_model and check.verdict == "contradicted"

    def judge(self, evidence: Evidence) -> Check:
        """Compare a task with all others, on average or in every model."""
        if self.each_model:
            return self._in_each_model(evidence)
        means = evidence.tasks.get(self.metric, {})
        if self.task not in means:
            said = f"No average of {spoken(self.task)} is known."
            return evidence.says("cannot be checked", said)
        own = means[self.task]
        rivals = {
            task: known for task, known in means.items() if task not in (self.task, *self.after)
        }
        rival = first(rivals, self.end) if rivals else None
        quantities = self._means(means, rival, count_of(evidence))
        behind = self._behind(means, rival)
        if behind:
            return evidence.says("contradicted", behind, *quantities)
        unknown = len(evidence.every_task) - len(means)
        if unknown > 0 or rival is None:
            said = f"It comes first of the {len(rivals) + 1} averages that are quoted"
            said += f"; those of {unknown} other tasks are not." if unknown > 0 else "."
            return evidence.says("cannot be checked", said, *quantities)
        if ahead(own, rivals[rival], self.end) is None:
            said = f"Rounding hides whether {spoken(rival)} is {_than(self.end)}."
            return evidence.says("cannot be checked", said, *quantities)
        place = (
            f"after {listed(map(spoken, self.after))}" if self.after else f"of {len(means)} tasks"
        )
        said = f"On average it is the {self.end} {place}: {own.value:.4g}, then {spoken(rival)} "
        said += f"with {rivals[rival].value:.4g}."
        leads = [over_models(evidence, self.metric, self.task, list(rivals), self.end)]
        leads += [
            over_models(evidence, self.metric, task, [self.task], self.end) for task in self.after
        ]
        verdict, tested = told(leads)
        check = evidence.says(verdict, f"{said} {tested}", *quantities)
        return replace(check, leads=tuple(filter(None, leads)), caveats=(RAW,))

    def _means(self, means: Mapping[str, Known], rival: str | None, n: str) -> list[Quantity]:
        name, unit = f"mean of {spoken(self.metric)}", metric_unit(self.metric)
        return [
            Quantity(f"{name}, {spoken(task)}", None, means[task].value, note=n, unit=unit)
            for task in (self.task, rival)
            if task is not None
        ]

    def _behind(self, means: Mapping[str, Known], rival: str | None) -> str:
        """Return what is beyond the task, or not before it; empty where it has its place."""
        own = means[self.task]
        if rival is not None and ahead(own, means[rival], self.end) is False:
            tied = abs(own.value - means[rival].value) < 1e-12
            how = "ties with it" if tied else f"is {_than(self.end)}"
            beside = f"{means[rival].value:.4g} against {own.value:.4g}"
            return f"The average of {spoken(rival)} {how}: {beside}."
        for task in self.after:
            if task in means and ahead(means[task], own, self.end) is False:
                beside = f"{means[task].value:.4g} against {own.value:.4g}"
                return f"The average of {spoken(task)} does not come before it: {beside}."
        return ""

    def _in_each_model(self, evidence: Evidence) -> Check:
        if evidence.cells is None:
            said = "No figure of a task in one model is quoted."
            return evidence.says("cannot be checked", said)
        cells = evidence.cells.get(self.metric, {})
        models = dict.fromkeys(model for model, _ in cells)
        quantities, others = [], []
        for model in models:
            own = {task: Known(value) for (name, task), value in cells.items() if name == model}
            if self.task not in own:
                others.append(f"{model} (no value of {spoken(self.task)})")
                continue
            most = own[first(own, self.end)].value
            firsts = [task for task, known in own.items() if known.value == most]
            named = listed(map(spoken, firsts))
            quantities.append(
                Quantity(
                    f"{self.end} {spoken(self.metric)}, {model}", spoken(self.task), named,
                    right=firsts == [self.task], note=f"{most:g}",
                )
            )  # fmt: skip
            if firsts != [self.task]:
                others.append(f"{named} in {model}")
        if not models:
            return evidence.says("cannot be checked", f"There is no {spoken(self.metric)}.")
        if others:
            said = f"It is not the {self.end} everywhere: {'; '.join(others)}."
            return evidence.says("contradicted", said, *quantities)
        said = f"It is the {self.end} in each of {counted(len(models), 'model')}."
        return replace(evidence.says("holds", said, *quantities), caveats=(SINGLE, RAW))

    def in_run(self, values: RunValues, study: Evidence) -> Check | None:
        """Compare a task with the best other one, over all models or in each."""
        from cortexscope.audit.kinds._tasks_in_run import task_extreme_in_run

        if self.models:
            own = values.of_models(self.models)
            if own is None:
                said = f"The run does not have all of {listed(self.models)}."
                return Check(values.against, "cannot be checked", said)
            values = own
        return task_extreme_in_run(self, values, study)


def _than(end: str) -> str:
    return {"highest": "higher", "lowest": "lower"}[end]
