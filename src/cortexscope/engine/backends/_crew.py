"""Have jobs done by several workers outside of this process, and bring together what they give."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from cortexscope.engine._job import Failed, Job, Lost, Measured
from cortexscope.engine._stopping import stops
from cortexscope.engine.backends._backend import Means, loading
from cortexscope.errors import WorkerLostError

if TYPE_CHECKING:
    from cortexscope.engine.backends._rota import Rota

__all__ = ["GoneError", "Seat", "work_together"]


_LISTENS = 0.2
"""Seconds until a signal that waits is noticed."""


class GoneError(Exception):
    """Who was doing a job is gone; the message is the end of a sentence that says how."""


@runtime_checkable
class Seat(Protocol):
    """A place outside of this process where one job at a time is done."""

    def measure(self, job: Job) -> Iterator[Measured | int | str]:
        """Yield what is measured of a job, further tokens as numbers, and remarks as texts.

        Raises:
            GoneError: if who was doing it is gone.
        """

    def release(self) -> None:
        """Let go of the model; the next job finds a fresh worker."""

    def stop(self) -> None:
        """Have what is under way end with its batch, if it can; called from another thread."""

    def close(self) -> None:
        """End, whatever is under way; called from another thread."""


class _Advanced(NamedTuple):
    model: str
    tokens: int


class _Left(NamedTuple):
    """A thread has ended, by an error where it is one that nobody foresaw."""

    error: BaseException | None


def work_together(seats: Sequence[Seat], rota: Rota, means: Means) -> Iterator[Measured]:
    """Yield what the workers give, as `Backend.measure` promises it.

    Args:
        seats: where jobs are done, each served by a thread of this process.
        rota: of the jobs.
        means: what is told how far it is.
    """
    # Bounded, so that a driver that writes slower than its workers measure does not gather it all.
    found: queue.Queue[Measured | _Advanced | _Left | str] = queue.Queue(2 * len(seats))
    threads = [
        threading.Thread(target=_serve, args=(number, seat, rota, found), daemon=True)
        for number, seat in enumerate(seats)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _gathered(found, seats, rota, means)
    finally:
        rota.stop()
        for seat in seats:
            seat.close()
        while any(thread.is_alive() for thread in threads):
            # A thread may wait for room.
            while not found.empty():
                found.get()
            threads[0].join(0.02)


def _gathered(
    found: queue.Queue[Measured | _Advanced | _Left | str],
    seats: Sequence[Seat],
    rota: Rota,
    means: Means,
) -> Iterator[Measured]:
    failed: set[str] = set()
    said: set[str] = set()
    running, stopped = len(seats), False
    while running:
        if stops() and not stopped:
            # What is under way comes to its end, and nothing new is begun.
            stopped = True
            rota.stop()
            for seat in seats:
                seat.stop()
        try:
            one = found.get(timeout=_LISTENS)
        except queue.Empty:
            continue
        if isinstance(one, _Left):
            running -= 1
            if one.error is not None:
                raise one.error
        elif isinstance(one, str):
            if one not in said:
                means.note(one)
            said.add(one)
        elif one.model in failed:
            # Another worker was still at it.
            continue
        elif isinstance(one, _Advanced):
            means.advance(one.model, one.tokens)
        else:
            if isinstance(one, Failed):
                failed.add(one.model)
            yield one


def _serve(number: int, seat: Seat, rota: Rota, found: queue.Queue[object]) -> None:
    """Have one worker do job after job, until none is left."""
    error: BaseException | None = None
    loaded: str | None = None
    try:
        while (job := rota.next(number, seat.release)) is not None:
            if loaded != job.model:
                found.put(loading(job.setup.info))
            loaded = job.model
            _do(number, seat, job, rota, found)
    except BaseException as unforeseen:
        error = unforeseen
    seat.release()
    found.put(_Left(error))


def _do(number: int, seat: Seat, job: Job, rota: Rota, found: queue.Queue[object]) -> None:
    tokens = 0
    try:
        for one in seat.measure(job):
            if isinstance(one, int):
                tokens += one
                found.put(_Advanced(job.model, one))
                continue
            if isinstance(one, Failed):
                rota.drop(job.model)
            found.put(one)
    except GoneError as gone:
        seat.release()
        again = rota.lost(number, job)
        found.put(_Advanced(job.model, -tokens))
        found.put(Lost(job.model, job.name, str(gone)))
        if not again:
            rota.drop(job.model)
            found.put(Failed(job.model, _given_up(job, str(gone))))


def _given_up(job: Job, why: str) -> WorkerLostError:
    what = f"shard {job.name}" if isinstance(job.name, int) else f"its {job.name} inputs"
    return WorkerLostError(
        f"{job.model}: three workers in turn were lost over {what}, the last of which {why}; where "
        "memory is short, fewer --workers or a smaller --batch-tokens help, and --resume goes on."
    )
