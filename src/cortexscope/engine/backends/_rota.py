"""Which job is done next, and by whom: few loads of models, and no more memory than there is."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from cortexscope.engine._job import Job

__all__ = ["Rota"]

_TRIES = 3
"""How often a job is given to a worker before its model fails."""


class Rota:
    """Hands out jobs to workers, each in a thread of its own.

    A worker keeps its model as long as there are jobs of it. One that is free takes a model that
    nobody has, else helps with the model of which most is left a worker.

    Args:
        jobs: in the order that they are wanted in.
        costs: bytes that a worker takes with a model, by its label.
        most: bytes that all workers of a device may take together; no limit where None.
        devices: how many devices the workers are shared out to.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        costs: Mapping[str, int] | None = None,
        most: int | None = None,
        devices: int = 1,
    ) -> None:
        self._costs, self._most, self._devices = costs or {}, most, devices
        self._left: dict[str, deque[Job]] = {}
        for job in jobs:
            self._left.setdefault(job.model, deque()).append(job)
        self._held: dict[int, str] = {}
        self._busy: set[int] = set()
        self._tries: Counter[tuple[str, int | str]] = Counter()
        self._stopped = False
        self._changed = threading.Condition()

    def next(self, worker: int, release: Callable[[], None]) -> Job | None:
        """Return the next job of a worker that is done with its last one, None where none comes.

        Args:
            worker: its number.
            release: called where it has to wait, to let go of its model.
        """
        with self._changed:
            self._busy.discard(worker)
            while not self._stopped:
                job = self._chosen(worker)
                if job is not None:
                    self._busy.add(worker)
                    self._held[worker] = job.model
                    self._changed.notify_all()
                    return job
                if self._held.pop(worker, None) is not None:
                    release()
                self._changed.notify_all()
                if not self._busy and not any(self._left.values()):
                    break
                self._changed.wait()
            return None

    def lost(self, worker: int, job: Job) -> bool:
        """Note that a worker is gone; return whether its job is to be done again."""
        with self._changed:
            self._held.pop(worker, None)
            self._tries[job.model, job.name] += 1
            if self._tries[job.model, job.name] >= _TRIES:
                return False
            if job.model in self._left:
                self._left[job.model].appendleft(job)
            return True

    def drop(self, model: str) -> None:
        """Do no more jobs of a model."""
        with self._changed:
            self._left.pop(model, None)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _chosen(self, worker: int) -> Job | None:
        own = self._held.get(worker)
        if self._left.get(own or ""):
            return self._left[own or ""].popleft()
        hands = Counter(self._held.values())
        wanted = [model for model, jobs in self._left.items() if jobs]
        # Sorting is stable: models that nobody has come as they were asked for.
        wanted.sort(
            key=lambda model: (
                -len(self._left[model]) / hands[model] if hands[model] else -float("inf")
            )
        )
        for model in wanted:
            if self._fits(worker, model):
                return self._left[model].popleft()
        return None

    def _fits(self, worker: int, model: str) -> bool:
        if self._most is None:
            return True
        beside = [
            self._costs.get(held, 0)
            for other, held in self._held.items()
            if other != worker and other % self._devices == worker % self._devices
        ]
        # A model alone is measured whatever it takes: that it fits was looked at before.
        return not beside or sum(beside) + self._costs.get(model, 0) <= self._most
