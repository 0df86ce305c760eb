"""What a request would cost: estimates of its models, and seconds from a short calibration."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cortexscope.engine._allocator import keep_freed_memory
from cortexscope.engine._batches import Batch, Shard
from cortexscope.engine._estimate import Estimate
from cortexscope.engine._fit import fit
from cortexscope.engine._job import Job
from cortexscope.engine._plan import Work, checked
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.engine._threads import computing_with
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
        with computing_with(request.settings.threads):
            found.append(Forecast(own, _seconds(work) if calibrated else None))
    return found


def _seconds(work: Work) -> Seconds:
    """Return the seconds of a model, from a few batches of all lengths."""
    from cortexscope.engine._worker import Worker
    from cortexscope.engine.passes import OWN

    keep_freed_memory()
    batches = [batch for shard in work.shards for batch in shard.batches]
    worker = Worker(work.setup, work.source)

    def timed(piece: Shard | str) -> list[tuple[int, float]]:
        """Return the tokens of each batch and the seconds until it was read; 0 and all seconds."""
        marks: list[tuple[int, float]] = []
        began = time.perf_counter()

        def note(tokens: int) -> None:
            marks.append((tokens, time.perf_counter() - began))

        for _ in worker.measure(Job(work.setup, piece), note):
            pass
        note(0)
        return marks

    # The first pass of a process also pays for what is imported and made once.
    _, first = timed(Shard(0, (batches[-1],)))[-1]
    places = sorted({round(n) for n in np.linspace(0, len(batches) - 1, _SAMPLES)})
    # One after the other, since rows of a batch are made while the next one is read.
    marks = timed(Shard(0, tuple(batches[number] for number in places)))
    tokens, seconds = np.array(marks).T
    ends = np.cumsum([batches[number].tokens for number in places])
    # A batch that memory did not hold was read in parts.
    last = np.searchsorted(np.cumsum(tokens), ends).clip(max=len(marks) - 1)
    each = np.diff(seconds[last], prepend=0.0)
    read = dict(zip(places, each.tolist(), strict=True))
    rest = float(seconds[-1] - seconds[-2])
    once = max(0.0, first - float(each[-1]) - rest)
    loading = worker.ready.seconds
    # Inputs that a pass makes itself are the same few for every suite.
    units = {spec.replication for spec in metric_specs(work.setup.metrics)} & {*OWN}
    measure = once + _all(batches, read) + rest * len(work.shards)
    measure += sum(timed(unit)[-1][1] for unit in sorted(units))
    return Seconds(loading["load_seconds"], loading["check_seconds"], measure)


def _all(batches: Sequence[Batch], read: Mapping[int, float]) -> float:
    """Return the seconds of all batches, those of a token in proportion between those read.

    A pass has a price of its own besides, which the smallest batch tells if it is small enough.
    """
    sizes = np.array([len(b.items) * (b.longest + b.longest_target) for b in batches])
    least = min(read, key=lambda number: int(sizes[number]))
    fixed, size = read[least], int(sizes[least])
    if 2 * size > max(sizes[number] for number in read):
        fixed, size = 0.0, 0
    others = [number for number in read if sizes[number] > size]
    rates = [max(read[number] - fixed, 0.0) / (sizes[number] - size) for number in others]
    every = np.interp(range(len(batches)), others, rates)
    return float((fixed + every * (sizes - size)).sum())
