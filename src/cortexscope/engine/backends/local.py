"""Do jobs on this machine: one after the other in this process, or in several processes."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING

from cortexscope.engine._allocator import keep_freed_memory
from cortexscope.engine._bench import Bench
from cortexscope.engine._job import Failed
from cortexscope.engine._stopping import stops
from cortexscope.engine.backends._backend import Means, loading
from cortexscope.engine.backends._crew import work_together
from cortexscope.engine.backends._process import Process
from cortexscope.engine.backends._rota import Rota

if TYPE_CHECKING:
    from cortexscope.engine._job import Job, Measured

__all__ = ["Local"]


class Local:
    """Does jobs on this machine.

    Args:
        means: with one worker, or None, the jobs are done in this process.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
        """Yield what is measured of jobs, in their order where this process does them."""
        workers = self._means.workers or 1
        if workers == 1:
            yield from self._alone(jobs)
            return
        every = list(jobs)
        if every:
            yield from self._shared(every, min(workers, len(every)))

    def _alone(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
        means = self._means
        keep_freed_memory()
        bench = Bench(means.opened)
        loaded, failed = None, set()
        try:
            for job in jobs:
                model = job.model
                if model in failed:
                    continue
                if loaded != model:
                    means.note(loading(job.setup.info))
                loaded = model
                for one in bench.measure(job, partial(means.advance, model)):
                    if isinstance(one, Failed):
                        failed.add(model)
                    yield one
                if stops():
                    return
        finally:
            bench.clear()

    def _shared(self, jobs: list[Job], workers: int) -> Generator[Measured, None, None]:
        import torch

        means = self._means
        devices = _devices(jobs)
        threads = means.threads or max(1, torch.get_num_threads() // workers)
        rota = Rota(
            jobs,
            costs={model: memory.total for model, memory in means.memory.items()},
            most=means.most,
            devices=max(devices, 1),
        )
        means.note(f"{workers} workers, threads of each: {threads}")
        seats = [Process(_environment(number, threads, devices)) for number in range(workers)]
        yield from work_together(seats, rota, means)


def _devices(jobs: list[Job]) -> int:
    """Return how many CUDA devices the workers are shared out to, 0 where they are not."""
    import torch

    loadings = [job.setup.loading for job in jobs]
    if any(own.device_map is not None or own.device not in ("auto", "cuda") for own in loadings):
        return 0
    return torch.cuda.device_count()


def _environment(number: int, threads: int, devices: int) -> dict[str, str]:
    """Return what a worker's process has of its own: its threads, and its device."""
    environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if devices > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = seen.split(",") if seen else [str(device) for device in range(devices)]
        environment["CUDA_VISIBLE_DEVICES"] = names[number % devices]
    return environment
