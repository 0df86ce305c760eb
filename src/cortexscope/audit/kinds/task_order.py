"""Tasks come first of all in an order, or stand in it among themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import model_validator

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Lead, Quantity
from cortexscope.audit._words import counted, listed, metric_unit, spoken
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._leads import RAW, SINGLE, End, lead, sign_of, with_leads
from cortexscope.audit.kinds._task_differences import Part, is_above, is_first, judged, unit_in

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.audit._run_values import RunValues

__all__ = ["TaskOrder"]

_THAN = {"highest": "higher", "lowest": "lower"}


class TaskOrder(OfMetric):
    """The means of these tasks stand in this order, from that end."""

    kind: Literal["task_order"]
    tasks: tuple[str, ...]
    end: End = "highest"
    of_all: bool = False
    """Whether no other task stands before the last of them."""
    each_model: bool = False
    """Whether it is claimed of every model on its own."""
    models: tuple[str, ...] = ()
    """Of which it is claimed; of all where there are none."""
    of_runs: ClassVar[bool] = True

    @model_validator(mode="after")
    def _one_or_an_order(self) -> TaskOrder:
        if len(self.tasks) < (1 if self.of_all else 2):
            raise ValueError("an order needs two tasks, or one that is the first of all")
        if self.each_model and not (self.of_all and len(self.tasks) == 1):
            raise ValueError("of each model only one task can be claimed to be the first of all")
        return self

    @property
    def last(self) -> str:
        """The last of the tasks: all others are behind it, where it is claimed of all."""
        return self.tasks[-1]

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence, of the models that are meant."""
        evidence = super().seen(evidence)
        return evidence.of_models(self.models) if self.models else evidence

    def lacking(self, evidence: Evidence) -> str:
        """Return what a run lacks to set these tasks beside others."""
        run = evidence.run
        if self.models and run and set(self.models) - run.of_study(self.metric).keys():
            return f"The run does not have all of {listed(self.models)}."
        missing, frame = super().lacking(evidence), run.of(self.metric) if run else None
        if missing or frame is None:
            return missing
        there = set(frame["task"])
        absent = [spoken(task) for task in self.tasks if task not in there]
        if absent:
            return f"The run has no prompt of {', '.join(absent)}."
        alone = self.of_all and not there - set(self.tasks)
        return "The run has no other task to compare it with." if alone else ""

    def decided_by(self, check: Check) -> bool:
        """Return whether it has all that it names, or one model is a counterexample."""
        return bool(self.models) or (self.each_model and check.verdict == "contradicted")

    def judge(self, evidence: Evidence) -> Check:
        """Compare each task with the next, and the last with all others where that is claimed."""
        if evidence.run is not None:
            return self._over_prompts(evidence, evidence.run)
        if self.each_model:
            return self._in_each_model(evidence)
        means = evidence.tasks.get(self.metric, {})
        missing = [spoken(task) for task in self.tasks if task not in means]
        rivals = [task for task in means if self.of_all and task not in self.tasks]
        order = [*self.tasks, *([self._first(means, rivals)] if rivals else [])]
        n = counted(evidence.counts["models"], "model")
        note = "as quoted" if evidence.cells is None else f"n = {n}"
        quantities = [
            self.number(f"mean of {self.spoken}, {spoken(task)}", means[task].value, note)
            for task in order
            if task in means
        ]
        if missing:
            said = f"No average of {listed(missing)} is known."
            return evidence.says(None, said, *quantities)
        if out_of_order := self._out_of_order(means, order):
            return evidence.says(*out_of_order, *quantities)
        unknown = evidence.counts["tasks"] - len(means)
        if self.of_all and (unknown > 0 or not rivals):
            said = "It comes" if len(self.tasks) == 1 else "They come, in this order,"
            said += f" first of the {len(means)} averages that are quoted"
            said += f"; those of {unknown} other tasks are not." if unknown > 0 else "."
            return evidence.says(None, said, *quantities)
        row = ", then ".join(f"{spoken(task)} with {means[task].value:.4g}" for task in order)
        which = f"the {self.end} of {len(means)} tasks are" if self.of_all else "the order is"
        leads = self._leads(evidence, rivals)
        return with_leads(
            evidence, f"On average {which} {row}.", leads, quantities, over="models", caveats=(RAW,)
        )

    def _out_of_order(
        self, means: Mapping[str, Known], order: Sequence[str]
    ) -> tuple[bool | None, str] | None:
        """Return that a task does not stand before the next, or that rounding hides it."""
        found = None
        for before, after in itertools.pairwise(order):
            one, other = means[before], means[after]
            right = one.above(other) if self.end == "highest" else other.above(one)
            beside = f"{other.value:.4g} against {one.value:.4g}"
            how = f"is {_THAN[self.end]} than"
            if right is False:
                how = "ties with" if abs(one.value - other.value) < 1e-12 else how
                said = f"The average of {spoken(after)} {how} that of {spoken(before)}: {beside}."
                return False, said
            if right is None and found is None:
                said = f"Rounding hides whether {spoken(after)} {how} {spoken(before)}: {beside}."
                found = None, said
        return found

    def _first(self, means: Mapping[str, Known], tasks: Sequence[str]) -> str:
        """Return the highest or lowest."""
        return max(tasks, key=lambda task: sign_of(self.end) * means[task].value)

    def _leads(self, evidence: Evidence, rivals: Sequence[str]) -> list[Lead | None]:
        """Test over models that each task is beyond the next, and the last beyond its rivals."""
        pairs = [(one, [after]) for one, after in itertools.pairwise(self.tasks)]
        return [
            lead(evidence, self.metric, own, others, end=self.end, over="models")
            for own, others in ([(self.last, rivals)] if self.of_all else []) + pairs
        ]

    def _in_each_model(self, evidence: Evidence) -> Check:
        if evidence.cells is None:
            return evidence.says(None, "No figure of a task in one model is quoted.")
        by_model: dict[str, dict[str, Known]] = {}
        for (model, task), value in evidence.cells.get(self.metric, {}).items():
            by_model.setdefault(model, {})[task] = Known(value)
        quantities, others, missing = [], [], []
        for model, own in by_model.items():
            if self.last not in own:
                missing.append(model)
                continue
            most = own[self._first(own, list(own))].value
            firsts = [task for task, known in own.items() if known.value == most]
            named, right = listed(map(spoken, firsts)), firsts == [self.last]
            name = f"{self.end} {self.spoken}, {model}"
            quantities.append(
                Quantity(name, spoken(self.last), named, right=right, note=f"{most:g}")
            )
            if not right:
                others.append(f"{named} in {model}")
        if not by_model:
            return evidence.says(None, f"There is no {self.spoken}.")
        if others:
            said = f"It is not the {self.end} everywhere: {'; '.join(others)}."
            return evidence.says(False, said, *quantities)
        said = f"It is the {self.end} in each of {counted(len(quantities), 'model')}."
        if missing:
            said += f" There is no value of {spoken(self.last)} in {listed(missing)}."
            return evidence.says(None, said, *quantities)
        return evidence.says(True, said, *quantities, caveats=(SINGLE, RAW))

    def _over_prompts(self, evidence: Evidence, run: RunValues) -> Check:
        """Compare tasks over all models of a run or in each, beside what the study has."""
        frame, fair = run.of(self.metric), run.of(self.metric, fair=True)
        assert frame is not None
        parts, beside = ([] if own is None else list(self._parts(own)) for own in (frame, fair))
        unit = metric_unit(self.metric)
        if self.each_model:
            return judged(evidence, parts, beside, unit=unit)
        rivals = [task for task in dict.fromkeys(frame["task"]) if task not in self.tasks]
        check = judged(
            evidence, parts, beside, unit=unit_in(frame, self.metric),
            means=list(self._measured(frame, parts[0])) if self.of_all else [],
            leads=self._leads(evidence, rivals),
        )  # fmt: skip
        study = evidence.study
        means = study.tasks.get(self.metric, {}) if study and study.cells is not None else {}
        others = [task for task in means if self.of_all and task not in self.tasks]
        if study is None or self.last not in means or not others:
            return check
        beyond = means[self.last].value - means[self._first(means, others)].value
        beyond *= sign_of(self.end)
        note = f"n = {counted(study.counts['models'], 'model')}"
        published = Quantity(f"{parts[0].words}, in the study", None, beyond, note=note, unit=unit)
        said = f"{check.sentence} In the study's tables the difference is {beyond:.3g} {unit}."
        return replace(check, sentence=said, quantities=(*check.quantities, published))

    def _parts(self, frame: pd.DataFrame) -> Iterator[Part]:
        """Yield the comparisons that the claim needs."""
        left = frame[~frame["task"].isin(self.tasks[:-1])]
        ends = (spoken(self.last), "the next task")
        words = " less ".join(ends if self.end == "highest" else reversed(ends))
        if self.end == "lowest":
            left = left.assign(value=-left["value"])
        if self.each_model:
            known = frame.groupby("model", sort=False, observed=True)["value"].count()
            for label, own in left.groupby("model", sort=False, observed=True):
                if known[label]:
                    yield is_first(own, self.last, f"{words} in {label}")
            return
        if self.of_all:
            yield is_first(left, self.last, words)
        for pair in itertools.pairwise(self.tasks):
            yield is_above(frame, *(pair if self.end == "highest" else reversed(pair)))

    def _measured(self, frame: pd.DataFrame, part: Part) -> Iterator[Quantity]:
        """Yield the means of the last and of the next one, as measured and at equal lengths."""
        from cortexscope.stats import task_means

        for way, found in (("as measured", part.raw), ("length controlled", part.adjusted)):
            rows = task_means(frame, adjusted=way != "as measured").set_index("task")
            for task in dict.fromkeys((self.last, found.other)):
                if task is None or task not in rows.index:
                    continue
                row = rows.loc[task].to_dict()
                mean, low, high = (
                    None if math.isnan(row[name]) else float(row[name])
                    for name in ("mean", "low", "high")
                )
                note = f"n = {counted(row['n'], 'prompt')}; {row['method']}"
                note += f"; {row['reason']}" if row["reason"] else ""
                name = f"mean of {self.spoken}, {spoken(task)}, {way}"
                unit = unit_in(frame, self.metric)
                yield Quantity(name, None, mean, low, high, None, note, unit)
