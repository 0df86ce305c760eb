"""A task has the highest or lowest mean of all, over the models or in each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Lead, Quantity
from cortexscope.audit._words import counted, listed, metric_unit, spoken
from cortexscope.audit.kinds._leads import End, lead, sign_of, with_leads
from cortexscope.audit.kinds._task_differences import Part, is_above, is_first, judged, unit_in
from cortexscope.audit.kinds._tasks import RAW, SINGLE, OfTasks, ahead, first

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.audit._run_values import RunValues

__all__ = ["TaskExtreme"]

_THAN = {"highest": "higher", "lowest": "lower"}


class TaskExtreme(OfTasks):
    """A task has the highest or lowest mean of all, or of those left after some."""

    kind: Literal["task_extreme"]
    task: str
    end: End
    after: tuple[str, ...] = ()
    """Tasks that the claim puts before it."""
    each_model: bool = False
    """Whether it is claimed of every model on its own."""
    models: tuple[str, ...] = ()
    """Of which it is claimed; of all where there are none."""
    of_runs: ClassVar[bool] = True

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence, of the models that are meant."""
        evidence = super().seen(evidence)
        return evidence.of_models(self.models) if self.models else evidence

    @property
    def named(self) -> tuple[str, ...]:
        """The task, and those that the claim puts before it."""
        return (self.task, *self.after)

    def lacking(self, evidence: Evidence) -> str:
        """Return what a run lacks to be asked."""
        if self.models and evidence.run and set(self.models) - evidence.run.of_study().keys():
            return f"The run does not have all of {listed(self.models)}."
        return super().lacking(evidence)

    def decided_by(self, check: Check) -> bool:
        """Return whether one model is a counterexample."""
        return self.each_model and check.verdict == "contradicted"

    def judge(self, evidence: Evidence) -> Check:
        """Compare a task with all others, on average or in every model."""
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run)
        if self.each_model:
            return self._in_each_model(evidence)
        means = evidence.tasks.get(self.metric, {})
        if self.task not in means:
            return evidence.says(None, f"No average of {spoken(self.task)} is known.")
        rivals = [task for task in means if task not in self.named]
        rival = first({task: means[task] for task in rivals}, self.end) if rivals else None
        quantities = self.means(evidence, means, (self.task, rival))
        behind = self._behind(means, rival)
        if behind:
            return evidence.says(False, behind, *quantities)
        unknown = len(evidence.every_task) - len(means)
        if unknown > 0 or rival is None:
            said = f"It comes first of the {len(rivals) + 1} averages that are quoted"
            said += f"; those of {unknown} other tasks are not." if unknown > 0 else "."
            return evidence.says(None, said, *quantities)
        own, other = means[self.task], means[rival]
        if ahead(own, other, self.end) is None:
            said = f"Rounding hides whether {spoken(rival)} is {_THAN[self.end]}."
            return evidence.says(None, said, *quantities)
        place = f"of {len(means)} tasks"
        if self.after:
            place = f"after {listed(map(spoken, self.after))}"
        said = f"On average it is the {self.end} {place}: {own.value:.4g}, then {spoken(rival)} "
        said += f"with {other.value:.4g}."
        leads = self._leads(evidence, rivals)
        return with_leads(evidence, said, leads, quantities, over="models", caveats=(RAW,))

    def _behind(self, means: Mapping[str, Known], rival: str | None) -> str:
        """Return what is beyond the task, or not before it; empty where it has its place."""
        own = means[self.task]
        if rival is not None and ahead(own, means[rival], self.end) is False:
            tied = abs(own.value - means[rival].value) < 1e-12
            how = "ties with it" if tied else f"is {_THAN[self.end]}"
            beside = f"{means[rival].value:.4g} against {own.value:.4g}"
            return f"The average of {spoken(rival)} {how}: {beside}."
        for task in self.after:
            if task in means and ahead(means[task], own, self.end) is False:
                beside = f"{means[task].value:.4g} against {own.value:.4g}"
                return f"The average of {spoken(task)} does not come before it: {beside}."
        return ""

    def _in_each_model(self, evidence: Evidence) -> Check:
        if evidence.cells is None:
            return evidence.says(None, "No figure of a task in one model is quoted.")
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
            named, right = listed(map(spoken, firsts)), firsts == [self.task]
            name = f"{self.end} {self.spoken}, {model}"
            quantities.append(
                Quantity(name, spoken(self.task), named, right=right, note=f"{most:g}")
            )
            if not right:
                others.append(f"{named} in {model}")
        if not models:
            return evidence.says(None, f"There is no {self.spoken}.")
        if others:
            said = f"It is not the {self.end} everywhere: {'; '.join(others)}."
            return evidence.says(False, said, *quantities)
        said = f"It is the {self.end} in each of {counted(len(models), 'model')}."
        return evidence.says(True, said, *quantities, caveats=(SINGLE, RAW))

    def _over_prompts(self, evidence: Evidence, run: RunValues) -> Check:
        """Compare a task with the best other one, over all models of a run or in each."""
        frame, fair = run.of(self.metric), run.of(self.metric, fair=True)
        assert frame is not None
        parts, beside = ([] if own is None else list(self._parts(own)) for own in (frame, fair))
        unit = metric_unit(self.metric)
        if self.each_model:
            return judged(evidence, parts, beside, unit=unit)
        rivals = [t for t in dict.fromkeys(frame["task"]) if t not in self.named]
        check = judged(
            evidence, parts, beside, unit=unit_in(frame, self.metric),
            means=list(self._measured(frame, parts[0])), leads=self._leads(evidence, rivals),
        )  # fmt: skip
        study = evidence.study
        means = study.tasks.get(self.metric, {}) if study and study.cells is not None else {}
        others = {t: known for t, known in means.items() if t not in self.named}
        if study is None or self.task not in means or not others:
            return check
        own, next_ = means[self.task].value, others[first(others, self.end)].value
        beyond = sign_of(self.end) * (own - next_)
        note = f"n = {study.counts['models']} models"
        published = Quantity(f"{parts[0].words}, in the study", None, beyond, note=note, unit=unit)
        said = f"{check.sentence} In the study's tables the difference is {beyond:.3g} {unit}."
        return replace(check, sentence=said, quantities=(*check.quantities, published))

    def _parts(self, frame: pd.DataFrame) -> Iterator[Part]:
        """Yield the comparisons that the claim needs."""
        left = frame[~frame["task"].isin(self.after)]
        ends = (spoken(self.task), "the next task")
        words = " less ".join(ends if self.end == "highest" else reversed(ends))
        if self.end == "lowest":
            left = left.assign(value=-left["value"])
        if self.each_model:
            known = frame.groupby("model", sort=False, observed=True)["value"].count()
            for label, own in left.groupby("model", sort=False, observed=True):
                if known[label]:
                    yield is_first(own, self.task, f"{words} in {label}")
            return
        yield is_first(left, self.task, words)
        for task in self.after:
            pair = (task, self.task) if self.end == "highest" else (self.task, task)
            yield is_above(frame, *pair)

    def _measured(self, frame: pd.DataFrame, part: Part) -> Iterator[Quantity]:
        """Yield the means of the task and of the next one, as measured and at equal lengths."""
        from cortexscope.stats import task_means

        for way, found in (("as measured", part.raw), ("length controlled", part.adjusted)):
            rows = task_means(frame, adjusted=way != "as measured").set_index("task")
            for task in dict.fromkeys((self.task, found.other)):
                if task is None or task not in rows.index:
                    continue
                row = rows.loc[task].to_dict()
                mean, low, high = (
                    None if math.isnan(row[name]) else float(row[name])
                    for name in ("mean", "low", "high")
                )
                note = f"n = {row['n']} prompts; {row['method']}"
                note += f"; {row['reason']}" if row["reason"] else ""
                name = f"mean of {self.spoken}, {spoken(task)}, {way}"
                unit = unit_in(frame, self.metric)
                yield Quantity(name, None, mean, low, high, None, note, unit)

    def _leads(self, evidence: Evidence, rivals: Sequence[str]) -> list[Lead | None]:
        """Test over models that the task is beyond its rivals, and behind those before it."""
        pairs = [(self.task, rivals), *((task, [self.task]) for task in self.after)]
        return [
            lead(evidence, self.metric, own, others, end=self.end, over="models")
            for own, others in pairs
        ]
