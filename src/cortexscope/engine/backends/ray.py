"""Do jobs on a Ray cluster, or on one that is started on this machine for the run.

An actor a worker and model, placed by the memory that the plan expects of it. What they measure is
carried back to this process, which alone writes. Ray is imported where it is asked for, and nowhere
else.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from cortexscope.engine._bench import Bench
from cortexscope.engine._job import Job, Measured
from cortexscope.engine.backends._backend import Means
from cortexscope.engine.backends._crew import GoneError, work_together
from cortexscope.engine.backends._process import answers
from cortexscope.engine.backends._rota import Rota
from cortexscope.errors import BackendError, UsageError

if TYPE_CHECKING:
    from cortexscope.engine._estimate import Memory

__all__ = ["Needs", "OnRay", "needs_of"]

_CONTEXT = 1_000_000_000
"""Bytes that CUDA and its libraries take of a device beside a model."""
_PATIENCE = 120.0
"""Seconds to wait for an actor before a user is told: it also imports torch meanwhile."""


class Needs(NamedTuple):
    """What an actor asks a cluster for."""

    cpus: int
    gpus: float
    memory: int
    """Bytes of main memory, 0 for no demand."""

    def said(self) -> str:
        """Return it as the end of a sentence."""
        gpus = f"{self.gpus:g} GPUs and " if self.gpus else ""
        memory = f", {self.memory / 1e9:.1f} GB" if self.memory else ""
        return f"{gpus}{self.cpus} CPUs{memory}"


class _Cluster(NamedTuple):
    """What there is to share out."""

    workers: int
    cpus: int
    """For each worker."""
    gpus: float
    """For each worker, its even share."""
    device: int
    """Bytes of the smallest GPU, 0 where there is none."""


def needs_of(memory: Memory | None, cpus: int, share: float, device: int) -> Needs:
    """Return what an actor with a model needs.

    Args:
        memory: that the model is estimated to take, None where nobody knows.
        cpus: processors for each worker.
        share: of a GPU, or several, that is each worker's even share.
        device: bytes of the smallest GPU of the cluster, 0 where there is none.
    """
    if not device:
        return Needs(cpus, 0, memory.total if memory else 0)
    takes = memory.weights + memory.batch + _CONTEXT if memory else device
    if takes > device:
        # Of several GPUs, only whole ones.
        return Needs(cpus, math.ceil(takes / device), 0)
    # Ray counts in ten thousandths. No more actors a GPU than fit: a third is too much for 0.3334.
    least = math.ceil(10_000 / (device // takes)) / 10_000
    return Needs(cpus, max(least, min(share, 1.0)), 0)


class _Actor:
    """What runs on the cluster."""

    def __init__(self, threads: int) -> None:
        import torch

        from cortexscope.engine._allocator import keep_freed_memory

        torch.set_num_threads(threads)
        keep_freed_memory()
        self._bench = Bench()

    def ready(self) -> None:
        """Return once there is a place."""

    def measure(self, job: Job) -> Iterator[Measured | int]:
        """Yield what is measured of a job, and numbers of further tokens."""
        tokens: list[int] = []
        for one in answers(self._bench, job, tokens.append):
            if tokens:
                yield sum(tokens)
                tokens.clear()
            yield one


class _Seat:
    """A seat whose worker is an actor, a fresh one for each model."""

    def __init__(self, ray: Any, cluster: _Cluster, means: Means) -> None:  # noqa: ANN401 - a module
        self._ray, self._cluster, self._means = ray, cluster, means
        self._lock = threading.Lock()
        self._actor: Any = None
        self._model: str | None = None
        self._closed = False

    def measure(self, job: Job) -> Iterator[Measured | int | str]:
        """Yield what the actor gives of a job, numbers of tokens, and what it waits for.

        Raises:
            GoneError: if the actor is gone, or its node.
        """
        ray, cluster = self._ray, self._cluster
        memory = self._means.memory.get(job.model)
        needs = needs_of(memory, cluster.cpus, cluster.gpus, cluster.device)
        loading = job.setup.loading
        if needs.gpus > 1 and loading.device_map is None and loading.device == "auto":
            spread = replace(job.setup, loading=replace(loading, device_map="auto"))
            job = replace(job, setup=spread)
        try:
            if self._model != job.model:
                self.release()
                actor = self._started(job.model, needs)
                if not ray.wait([actor.ready.remote()], timeout=_PATIENCE)[0]:
                    yield (
                        f"{job.model}: waits for a place on the cluster with {needs.said()}; "
                        f"it has {_said(ray.available_resources())} free"
                    )
            for found in self._actor.measure.remote(job):
                yield ray.get(found)
        except ray.exceptions.RayTaskError:
            raise
        except (ray.exceptions.RayError, AttributeError) as error:
            why = str(error).strip().splitlines()
            raise GoneError(f"is gone ({type(error).__name__}: {why[0] if why else ''})") from error

    def release(self) -> None:
        """End the actor; the next job starts another."""
        with self._lock:
            actor, self._actor, self._model = self._actor, None, None
        if actor is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(actor)

    def stop(self) -> None:
        """Let the shard under way be finished: no signal reaches what measures it."""

    def close(self) -> None:
        """End the actor for good."""
        self._closed = True
        self.release()

    def _started(self, model: str, needs: Needs) -> Any:  # noqa: ANN401 - Ray's handle
        kind = self._ray.remote(_Actor).options(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            memory=needs.memory or None,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(needs.cpus)}},
        )
        with self._lock:
            if self._closed:
                raise GoneError("was ended")
            self._actor, self._model = kind.remote(needs.cpus), model
            return self._actor


class OnRay:
    """Does jobs on a Ray cluster.

    Args:
        means: the address is that of a cluster; where None, `RAY_ADDRESS` is, or a cluster is
            started on this machine. Workers are one a GPU where None, or one a node without GPUs.

    Raises:
        UsageError: if Ray is not installed.
        BackendError: if there is no such cluster.
    """

    def __init__(self, means: Means) -> None:
        try:
            self._ray = importlib.import_module("ray")
        except ImportError as error:
            raise UsageError(
                "Ray is asked for and not installed; pip install 'cortexscope[ray]', or leave "
                "--backend ray out."
            ) from error
        self._means = means

    def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
        """Yield what is measured of jobs, in any order among shards and models."""
        every = list(jobs)
        if not every:
            return
        with _connected(self._ray, self._means.address):
            cluster = _shared_out(self._ray, self._means, len(every))
            share = f"a share of {cluster.gpus:g} GPUs" if cluster.device else "no GPU"
            self._means.note(
                f"{cluster.workers} of Ray's workers, threads of each: {cluster.cpus}, with {share}"
            )
            seats = [_Seat(self._ray, cluster, self._means) for _ in range(cluster.workers)]
            yield from work_together(seats, Rota(every), self._means)


@contextlib.contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:  # noqa: ANN401 - a module
    """Join a cluster, or start one; leave it, or end it, after the block."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A driver without GPUs of its own may not hide those of its workers.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    started: dict[str, Any] = {"include_dashboard": False} if where == "local" else {}
    try:
        ray.init(address=where, logging_level="error", log_to_driver=False, **started)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackendError(
            f"There is no Ray cluster to be had at {where} ({first}); see that it runs, with the "
            "same versions of Ray and Python as here."
        ) from error
    finally:
        # Ray would end this process by its own.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


def _shared_out(ray: Any, means: Means, jobs: int) -> _Cluster:  # noqa: ANN401 - a module
    """Return how many workers there are, and what each may have."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    gpus = sum(node.get("GPU", 0) for node in nodes)
    workers = min(means.workers or int(gpus) or len(nodes), jobs)
    device = _device_bytes(ray) if gpus else 0
    threads = max(1, min(sum(cpus) // workers, max(cpus)))
    threads = means.threads or (1 if gpus else threads)
    return _Cluster(workers, threads, gpus / workers, device)


def _device_bytes(ray: Any) -> int:  # noqa: ANN401 - a module
    """Return the bytes of the smallest GPU of a cluster: a node's first stands for all of it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = [
        ray.remote(_gpu_bytes)
        .options(
            num_cpus=0,
            num_gpus=0.01,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        )
        .remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU")
    ]
    return min(int(size) for size in ray.get(found))


def _gpu_bytes() -> int:
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def _said(resources: dict[str, float]) -> str:
    memory = resources.get("memory", 0) / 1e9
    return f"{resources.get('GPU', 0):g} GPUs, {resources.get('CPU', 0):g} CPUs and {memory:.1f} GB"
