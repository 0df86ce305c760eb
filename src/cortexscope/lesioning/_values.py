"""Measure any metric of prompts with one part of a model taken out after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import fsum
from typing import Any, NamedTuple

import pyarrow as pa
import torch

from cortexscope.analysis import EFFECTS
from cortexscope.comparing import ModelSide
from cortexscope.engine import Batch, Setup, Shard
from cortexscope.engine.passes import AHEAD, Prompts
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.interventions import Target
from cortexscope.lesioning._parts import Part
from cortexscope.metrics import METRICS, metric_specs
from cortexscope.records import in_order
from cortexscope.registry import suggestion
from cortexscope.store import LESION_VALUES

__all__ = ["ValuePass", "check_metric"]

_Place = tuple[str, int | None, int | None]
"""Stack, layer and head."""


def check_metric(name: str) -> None:
    """Do nothing where a metric has one number a prompt, its mean over layers and heads.

    Raises:
        UnknownNameError: if there is no such metric.
        UsageError: if it has none.
    """
    if name not in METRICS.names():
        known = (*EFFECTS, *METRICS.names())
        hint = suggestion(name, known, listed_by="cortexscope metrics")
        raise UnknownNameError(
            f"Parts cannot be judged by {name!r}, which is neither {' nor '.join(EFFECTS)} nor a "
            f"metric; {hint}"
        )
    (spec,) = metric_specs([name])
    if spec.replication != "prompt":
        why = f"it has one value a {'model' if spec.replication == 'sequence' else 'task'}"
    elif spec.scale == "label":
        why = "its values are labels"
    elif spec.index is not None:
        why = f"it has a value for each {spec.index}"
    else:
        return
    raise UsageError(
        f"Parts cannot be judged by {name}: {why}, and a part is judged by one number a prompt; "
        "name a metric that `cortexscope metrics` lists by prompt, layer or head."
    )


class _Measured(NamedTuple):
    """What was measured of a prompt."""

    values: dict[_Place, float]
    reason: str | None
    """Why there is none; of one place, where there are others."""


class ValuePass:
    """Takes parts out of a loaded model one by one, and measures a metric each time.

    A prompt's value is the mean over those layers and heads that have one with the part and
    without it, in the first stack that has any: what is gone with a part is not compared.

    Args:
        side: the model.
        metric: its name.
        setup: how it is measured.
    """

    def __init__(self, side: ModelSide, metric: str, setup: Setup) -> None:
        own = replace(
            setup, metrics=(metric,), keep_states=False, keep_neurons=False, generate=None
        )
        self._side, self._metric, self._target = side, metric, Target.of(side.reader.model)
        self._prompts = Prompts(side.reader, own.make_metrics(), own, AHEAD)

    @torch.inference_mode()
    def read(self, batch: Batch, parts: Sequence[Part]) -> pa.Table:
        """Return a row a part and prompt, in the columns of `LESION_VALUES`.

        Raises:
            ModelError: if the model fails on it.
        """
        intact = self._measured(batch)
        found: list[dict[str, Any]] = []
        for part in parts:
            with part.change.applied(self._target):
                without = self._measured(batch)
            found.extend(self._rows(batch, part, intact, without))
        return pa.Table.from_pylist(found, LESION_VALUES)

    def _measured(self, batch: Batch) -> dict[str, _Measured]:
        finished = [*self._prompts.measure(Shard(0, (batch,)), lambda tokens: None)][-1]
        found = {item.prompt.id: _Measured({}, None) for item in batch.items}
        for row in finished.table.to_pylist():
            own = found[row["prompt_id"]]
            if row["value"] is None:
                found[row["prompt_id"]] = own._replace(reason=own.reason or row["reason"])
            else:
                own.values[row["stack"], row["layer"], row["head"]] = row["value"]
        return found

    def _rows(
        self,
        batch: Batch,
        part: Part,
        intact: dict[str, _Measured],
        without: dict[str, _Measured],
    ) -> Iterator[dict[str, Any]]:
        for item in batch.items:
            one, two = intact[item.prompt.id], without[item.prompt.id]
            stack = next(iter(in_order({place[0] for place in one.values})), None)
            both = [own for own in one.values if own in two.values and own[0] == stack]
            reason = None if both else two.reason or one.reason
            yield {
                "model": self._side.reader.label,
                "kind": part.kind,
                "stack": part.stack,
                "layer": part.layer,
                "index": part.index,
                "task": item.prompt.task,
                "prompt_id": item.prompt.id,
                "metric": self._metric,
                "value_base": _mean([one.values[own] for own in both]),
                "value": _mean([two.values[own] for own in both]),
                "reason": reason,
            }


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
