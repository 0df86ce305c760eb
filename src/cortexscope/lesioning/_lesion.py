"""Measure a model as it is, then take its parts out one by one on the same prompts."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cortexscope.analysis import EFFECTS
from cortexscope.comparing import ModelSide, Planned, planned
from cortexscope.engine import Batch, Encoded, Progress, RunRequest, Silent, computing_with, run
from cortexscope.errors import UsageError
from cortexscope.interventions import unit_rows
from cortexscope.lesioning._estimates import EstimatePass
from cortexscope.lesioning._lesions import Lesions
from cortexscope.lesioning._parts import ESTIMATED, Part, check_kinds, kinds_of, parts_of
from cortexscope.lesioning._pass import LesionPass, can_reuse
from cortexscope.lesioning._reuse import Blocks
from cortexscope.lesioning._values import ValuePass, check_metric
from cortexscope.metrics import metric_names, metric_specs
from cortexscope.store import LesionPlan, Run, SideWriter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Asked", "lesion_request"]

_TOKENS = 512
"""Most tokens of a batch: the states of all its layers are kept, and must be few beside weights."""

_BACK = 256
"""Most tokens of a pass back, which keeps more of each."""

_VERSION = 1
"""Raised where a number changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is taken out of a model."""

    kinds: tuple[str, ...]
    """Of parts, of `KINDS`."""
    loss: str = "surprisal"
    """By what findings judge parts: of `EFFECTS`, which are measured in any case, or a metric."""
    top: int = 20
    """Of heads and of neurons, how many are taken out: the foremost by estimate."""

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"At least one part must be taken out, and {self.top} were asked for.")
        if not self.kinds:
            raise UsageError("No kind of part was named; name one, such as layers.")


def lesion_request(request: RunRequest, asked: Asked, progress: Progress | None = None) -> Lesions:
    """Measure a model, and what it predicts without each part.

    Args:
        request: of a run of one model; the finished folder is an ordinary run with more in it.
        asked: what is taken out.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands, or the model has no part of
            the kinds asked for.
        UnknownNameError: if parts are to be judged by what is no metric.
        ModelError: if the model cannot be measured.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    asked = replace(asked, kinds=kinds_of(asked.kinds))
    # This makes the metrics of plug-ins known.
    metric_names(request.metrics, plugins=request.plugins)
    if asked.loss not in EFFECTS:
        check_metric(asked.loss)
    plans = planned(request)
    for label, plan in plans.items():
        check_kinds(label, plan.setup.open_model().outline(), asked.kinds)
    finished = run(request, progress)
    for plan in plans.values():
        with SideWriter(finished.path) as writer, computing_with(request.settings.threads):
            _Lesioning(plan, asked, writer, progress, finished.control_ids()).carry_out()
    return Lesions(Run(finished.path), loss=asked.loss)


class _Lesioning:
    """The work on one model, which is loaded once it is needed."""

    def __init__(
        self,
        planned_: Planned,
        asked: Asked,
        writer: SideWriter,
        progress: Progress,
        controls: Collection[str],
    ) -> None:
        self._planned = planned_
        self._asked = asked
        self._writer = writer
        self._progress = progress
        self._controls = controls
        self._batches = [
            part
            for shard in planned_.shards
            for batch in shard.batches
            for part in _small(batch, _TOKENS)
        ]
        self._side: ModelSide | None = None
        self._reuse: bool | None = None

    def carry_out(self) -> None:
        """Take out all that is asked for, unless that was done."""
        side = self._loaded()
        chosen: dict[str, list[Part]] = {}
        for kind in self._asked.kinds:
            parts = parts_of(side.reader.model, kind)
            if not parts:
                self._progress.note(f"{self._planned.label} has no {kind} that can be taken out")
                continue
            chosen[kind] = self._foremost(kind, parts) if kind in ESTIMATED else parts
        self._take_out(chosen)
        if self._asked.loss not in EFFECTS:
            for kind, parts in chosen.items():
                self._measure_without(kind, parts)
        self._side = None
        gc.collect()

    def _loaded(self) -> ModelSide:
        if self._side is None:
            self._side = self._planned.load()
        return self._side

    def _plan(
        self, kind: str, what: Literal["effects", "estimates", "values"], chosen: Sequence[str]
    ) -> LesionPlan:
        ids = [[[i.prompt.id, i.ids, i.target] for i in batch.items] for batch in self._batches]
        told = [_VERSION, self._planned.identity, kind, what, list(chosen), ids]
        digest = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
        return LesionPlan(self._planned.label, kind, what, digest, len(self._batches))

    def _take_out(self, chosen: Mapping[str, Sequence[Part]]) -> None:
        """Take out parts of all kinds, batch by batch, so that the intact pass serves them all."""
        plans = [
            self._plan(kind, "effects", [str(part.change) for part in parts])
            for kind, parts in chosen.items()
        ]
        side = self._loaded()
        blocks = Blocks(side.reader.model.module, side.reader.anatomy)

        def read(batch: Batch, wanted: Sequence[LesionPlan]) -> list[pa.Table]:
            if self._reuse is None:
                shortest = _shortest(self._batches, decoder=side.reader.has_pair)
                self._reuse = side.refusal is None and can_reuse(side, blocks, shortest)
            parts = [part for plan in wanted for part in chosen[plan.kind]]
            found = LesionPass(side, blocks, reuse=self._reuse).read(batch, parts)
            return [found.filter(pc.field("kind") == plan.kind) for plan in wanted]

        told = ", ".join(f"{len(parts)} {kind}" for kind, parts in chosen.items())
        times = sum(map(len, chosen.values()))
        self._written(plans, f"{told}, one by one", read, times)

    def _measure_without(self, kind: str, parts: Sequence[Part]) -> None:
        loss = self._asked.loss
        chosen = [*(str(part.change) for part in parts), *self._measuring]
        plan = self._plan(f"{kind} by {loss}", "values", chosen)
        values = ValuePass(self._loaded(), loss, self._planned.setup)
        what = f"{loss} without {len(parts)} {kind}, one by one"
        self._written(
            [plan], what, lambda batch, _: [values.read(batch, parts)], times=len(parts) + 1
        )

    @property
    def _measuring(self) -> list[str]:
        """What decides the values of the metric besides the model, the parts and the prompts."""
        setup = self._planned.setup
        (spec,) = metric_specs([self._asked.loss])
        plugins = [plugin.sha256 for plugin in setup.plugins]
        return [
            spec.name,
            str(spec.version),
            repr(setup.options),
            str(setup.sample_tokens),
            *plugins,
        ]

    def _foremost(self, kind: str, parts: Sequence[Part]) -> list[Part]:
        """Return the parts of the largest effect by estimate, in their order."""
        plan = self._plan(kind, "estimates", ())
        side = self._loaded()
        rows = unit_rows(side.reader.model, kind)
        estimates = EstimatePass(side, kind, rows)

        def read(batch: Batch, _: object) -> list[pa.Table]:
            return [pa.concat_tables(map(estimates.read, _small(batch, _BACK)))]

        self._written([plan], f"{len(parts)} {kind} by estimate", read)
        sizes = _sizes(self._writer.read(plan), self._controls)
        order = sorted(range(len(parts)), key=lambda n: -abs(sizes.get(_place(parts[n]), 0.0)))
        return [parts[number] for number in sorted(order[: self._asked.top])]

    def _written(
        self,
        plans: Sequence[LesionPlan],
        what: str,
        read: Callable[[Batch, Sequence[LesionPlan]], Sequence[pa.Table]],
        times: int = 1,
    ) -> None:
        """Read all batches that are not there yet, and write what comes of each, a table a plan."""
        done = [self._writer.done(plan) for plan in plans]
        todo = {
            number: wanted
            for number in range(len(self._batches))
            if (wanted := [p for p, own in zip(plans, done, strict=True) if number not in own])
        }
        if not todo:
            return
        progress, label = self._progress, self._planned.label
        progress.note(f"{label}: {what}")
        tokens = [times * batch.tokens for batch in self._batches]
        progress.begin(label, sum(tokens), sum(tokens) - sum(tokens[n] for n in todo))
        try:
            for number, wanted in todo.items():
                tables = read(self._batches[number], wanted)
                for plan, table in zip(wanted, tables, strict=True):
                    self._writer.write(plan, number, table)
                progress.advance(label, tokens[number])
        finally:
            progress.end(label)


def _shortest(batches: Sequence[Batch], *, decoder: bool) -> Batch:
    """Return the shortest prompt of which anything is predicted, where there is one."""

    def size(item: Encoded) -> tuple[bool, int, str]:
        predicted = (item.target or ()) if decoder else item.ids
        return len(predicted) < 2, item.tokens, item.prompt.id

    return Batch((min((item for batch in batches for item in batch.items), key=size),))


def _small(batch: Batch, tokens: int) -> Iterator[Batch]:
    """Yield a batch in pieces of so many tokens, padding counted."""
    size = max(1, tokens // (batch.longest + batch.longest_target))
    for start in range(0, len(batch.items), size):
        yield Batch(batch.items[start : start + size])


def _place(part: Part) -> tuple[str, int, int | None]:
    return part.stack, part.layer, part.index


def _sizes(
    estimates: pd.DataFrame, controls: Collection[str]
) -> dict[tuple[str, int, int | None], float]:
    """Return the mean estimated change over prompts, by stack, layer and number."""
    known = estimates[
        estimates["surprisal_change"].notna() & ~estimates["prompt_id"].isin(controls)
    ]
    found: dict[tuple[str, int, int | None], float] = {}
    for (stack, layer), own in known.groupby(["stack", "layer"], sort=False):
        means = np.stack(own["surprisal_change"].tolist()).mean(axis=0)
        found |= {(str(stack), int(str(layer)), n): float(mean) for n, mean in enumerate(means)}
    return found
