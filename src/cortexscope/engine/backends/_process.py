"""A worker in a process of its own: jobs come by its standard input, what they give by its output.

A pipe a worker, and no queue or lock that all share: one that is killed can damage nothing but its
own. It ends with the driver, however that ends, as its standard input is closed then.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from cortexscope.engine._allocator import keep_freed_memory
from cortexscope.engine._bench import Bench, portable
from cortexscope.engine._job import Failed, Job, Measured
from cortexscope.engine._stopping import batches_first
from cortexscope.engine.backends._crew import GoneError

__all__ = ["Process", "answers"]

_PATIENCE = 10.0
"""Seconds for the system to clear away a process that has closed its pipe."""


class Process:
    """A seat whose worker is a process of this machine, started at its first job.

    Args:
        environment: what it has besides this process's own.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        # The worker finds the same modules; `-P` keeps those of the current folder out otherwise.
        paths = os.pathsep.join(str(Path(place).resolve()) for place in sys.path)
        self._environment = {**os.environ, "PYTHONPATH": paths, **environment}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def measure(self, job: Job) -> Iterator[Measured | int]:
        """Yield what the process gives of a job, and numbers of further tokens.

        Raises:
            GoneError: if the process is gone.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            while (one := pickle.load(process.stdout)) is not None:
                yield one
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise GoneError(_end_of(process)) from error

    def release(self) -> None:
        """End the process; the next job starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                _close(stream)

    def stop(self) -> None:
        """Have what is under way end with its batch."""
        with self._lock:
            if self._process is not None:
                self._process.terminate()

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise GoneError("was ended")
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=self._environment,
                    # Ctrl-C is for the driver alone.
                    start_new_session=True,
                )
            return self._process


def _close(stream: IO[bytes] | None) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:
        # Something was still on its way into a pipe that nobody reads.
        pass


def _end_of(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return "closed its pipe"
    if code >= 0:
        return f"ended by itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    short = ", as a system does that is short of memory" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{short}"


def answers(bench: Bench, job: Job, advance: Any) -> Iterator[Measured]:  # noqa: ANN401 - as of Bench
    """Yield what a bench gives of a job, errors such as any process can read."""
    try:
        for one in bench.measure(job, advance):
            yield Failed(one.model, portable(one.error)) if isinstance(one, Failed) else one
    except (SystemExit, KeyboardInterrupt) as error:
        # Of a plug-in; whoever does jobs goes on.
        bench.clear()
        yield Failed(job.model, portable(error))


def _listen(jobs: queue.SimpleQueue[Job]) -> None:
    """Take jobs from standard input; end all at once when it is closed."""
    try:
        while True:
            jobs.put(pickle.load(sys.stdin.buffer))
    except BaseException:
        os._exit(1)


def _main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    # What plug-ins and libraries print must not come between.
    os.dup2(2, 1)

    def give(one: object) -> None:
        try:
            pickle.dump(one, out)
            out.flush()
        except BrokenPipeError:
            # The driver is gone, which the other thread is about to see as well.
            os._exit(1)

    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    keep_freed_memory()
    bench = Bench()
    # The driver says what there is to say of a signal.
    with batches_first(lambda _: None):
        while True:
            for one in answers(bench, jobs.get(), give):
                give(one)
            give(None)


if __name__ == "__main__":
    _main()
