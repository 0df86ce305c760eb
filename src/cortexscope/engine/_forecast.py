"""What a request would cost: estimates of its models, and seconds from a short calibration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cortexscope.engine._allocator import keep_freed_memory
from cortexscope.engine._batches import Batch, Shard
from cortexscope.engine._estimate import Estimate
from cortexscope.engine._fit import fit
from cortexscope.engine._job import Job
from cortexscope.engine._plan import Work, checked
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.metrics import make_metrics, metric_specs

__all__ = ["Forecast", "Seconds", "forecast"]

_SAMPLES = 4
"""Batches that are read for the time of all."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a model takes."""

    load: float
    check: float
    measure: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a model will cost."""

    estimate: Estimate
    seconds: Seconds | None
    """None where no batch was read."""


def forecast(
    request: RunRequest, progress: Progress | None = None, *, calibrated: bool = True
) -> list[Forecast]:
    """Return what each model of a request would cost; nothing is written.

    Args:
        request: what would be run.
        progress: is told what is done.
        calibrated: load each model and read a few of its batches for the time.

    Raises:
        UsageError: if the request cannot be carried out as it stands, or a model does not fit.
        ModelError: if a model cannot be read.
    """
    progress = progress or Silent()
    asked = checked(request)
    metrics = make_metrics(asked.names, asked.request.settings.options)
    fitted = fit(asked, metrics, progress)
    works = [work for work in fitted.plan.works if work.shards]
    found: list[Forecast] = []
    for work, own in zip(works, fitted.estimates, strict=True):
        if calibrated:
            progress.note(f"{own.model}: reading a few batches for the time that all take")
        found.append(Forecast(own, _seconds(work) if calibrated else None))
    return found


def _seconds(work: Work) -> Seconds:
    """Return the seconds of a model, from a few batches of all lengths."""
    from cortexscope.engine._worker import Worker
    from cortexscope.engine.passes import OWN

    keep_freed_memory()
    batches = [batch for shard in work.shards for batch in shard.batches]
    worker = Worker(work.setup, work.source)

    def spent(what: Batch | str) -> float:
        piece = what if isinstance(what, str) else Shard(0, (what,))
        began = time.perf_counter()
        for _ in worker.measure(Job(work.setup, piece), lambda _: None):
            pass
        return time.perf_counter() - began

    # The first pass of a process also pays for what is imported and made once.
    first = spent(batches[-1])
    places = sorted({round(n) for n in np.linspace(0, len(batches) - 1, _SAMPLES)})
    read = {number: spent(batches[number]) for number in places}
    once = max(0.0, first - read[len(batches) - 1])
    loading = worker.ready.seconds
    # Inputs that a pass makes itself are the same few for every suite.
    units = {spec.replication for spec in metric_specs(work.setup.metrics)} & {*OWN}
    measure = once + _all(batches, read) + sum(spent(unit) for unit in sorted(units))
    return Seconds(loading["load_seconds"], loading["check_seconds"], measure)


def _all(batches: Sequence[Batch], read: dict[int, float]) -> float:
    """Return the seconds of all batches, a token between those that were read in proportion."""
    sizes = [len(b.items) * (b.longest + b.longest_target) for b in batches]
    each = [read[number] / sizes[number] for number in read]
    rates = np.interp(range(len(batches)), list(read), each)
    return float(np.dot(rates, sizes))
