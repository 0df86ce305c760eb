"""Do the jobs of one model where it is loaded: the part that any backend runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from cortexscope.engine._batches import Shard
from cortexscope.engine._job import Finished, Job, Ready, Setup, Steps
from cortexscope.engine._peak import Peak
from cortexscope.engine.passes import AHEAD, OWN, Prompts, Reader
from cortexscope.models import ModelSource, choose_device

__all__ = ["Worker"]


class Worker:
    """Loads a model, and measures what jobs ask for.

    Args:
        setup: which model, and how it is measured.
        source: the model, where this process has opened it already.

    Raises:
        UsageError: if a plug-in is not here as it was planned.
        ModelError: if the model cannot be read, or is not the one that was planned.
    """

    def __init__(self, setup: Setup, source: ModelSource | None = None) -> None:
        from cortexscope.selfchecks import check_quickly

        self.setup = setup
        self._metrics = setup.make_metrics()
        self._peak = Peak(choose_device(setup.loading.device))
        started = time.perf_counter()
        model = (source or setup.open_model()).load()
        loaded = time.perf_counter()
        checks = tuple(check_quickly(model, self._metrics)) if setup.selfcheck else None
        self._reader = Reader(model)
        self._prompts = Prompts(self._reader, self._metrics, setup, AHEAD)
        seconds = {
            "load_seconds": loaded - started,
            "check_seconds": time.perf_counter() - loaded,
        }
        self.ready = Ready(setup.info.model, seconds, checks, self._prompts.refusal)
        """What there is to say before the first job."""

    def measure(self, job: Job, advance: Callable[[int], None]) -> Iterator[Steps | Finished]:
        """Yield what was measured of a job, the whole of it last.

        Args:
            job: of this model.
            advance: told the number of tokens after each batch.

        Raises:
            ModelError: if the model fails on a batch; the prompt ids are named.
        """
        for found in self._measured(job, advance):
            if isinstance(found, Finished):
                yield replace(found, memory=self._peak.so_far())
            else:
                yield found

    def _measured(self, job: Job, advance: Callable[[int], None]) -> Iterator[Steps | Finished]:
        if isinstance(job.work, Shard):
            yield from self._prompts.measure(job.work, advance)
        else:
            table, failed = OWN[job.work](self._reader, self._metrics).measure()
            yield Finished(self.setup.info.model, job.work, table, failed=failed)
