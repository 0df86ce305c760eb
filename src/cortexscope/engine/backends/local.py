"""Do jobs one after the other in this process, a model at a time."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cortexscope.engine._allocator import keep_freed_memory

if TYPE_CHECKING:
    from cortexscope.engine._job import Job, Measured
    from cortexscope.engine._worker import Worker
    from cortexscope.models import ModelSource

__all__ = ["Local"]


class Local:
    """Does jobs in this process.

    Args:
        advance: told how many further tokens are measured.
        opened: models that this process has opened already, by label.
    """

    def __init__(self, advance: Callable[[int], None], opened: Mapping[str, ModelSource]) -> None:
        self._advance = advance
        self._opened = opened

    def measure(self, jobs: Iterable[Job]) -> Iterator[Measured]:
        """Yield what is measured of jobs, in their order."""
        # torch and all of transformers come here, after a wrong request has had its answer.
        from cortexscope.engine._worker import Worker

        keep_freed_memory()
        worker: Worker | None = None
        try:
            for job in jobs:
                if worker is None or worker.setup != job.setup:
                    if worker is not None:
                        # The next model should find the memory of this one free.
                        worker = None
                        gc.collect()
                    worker = Worker(job.setup, self._opened.get(job.setup.info.model))
                    yield worker.ready
                yield from worker.measure(job, self._advance)
        finally:
            del worker
            gc.collect()
