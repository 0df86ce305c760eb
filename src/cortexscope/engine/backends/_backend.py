"""What a backend must do, and what it is given for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cortexscope.texts import said_count

if TYPE_CHECKING:
    from cortexscope.engine._estimate import Memory
    from cortexscope.engine._job import Job, Measured
    from cortexscope.models import ModelSource
    from cortexscope.records import ModelInfo

__all__ = ["Backend", "Means", "loading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a backend is made with."""

    advance: Callable[[str, int], None] = lambda model, tokens: None
    """Told how many further tokens of a model are measured; fewer than none where a worker was
    lost."""
    note: Callable[[str], None] = lambda text: None
    """Told what is worth a line."""
    opened: Mapping[str, ModelSource] = field(default_factory=dict)
    """Models that this process has opened already, by label."""
    workers: int | None = None
    """How many jobs are done at a time; what suits the backend where None."""
    threads: int | None = None
    """Of each worker; all there are, shared out, where None."""
    memory: Mapping[str, Memory] = field(default_factory=dict)
    """What each model is estimated to take of its device, by label."""
    most: int | None = None
    """Bytes that all workers of a device may take together; no limit where None."""
    address: str | None = None
    """Of a cluster."""


@runtime_checkable
class Backend(Protocol):
    """Does jobs and gives what was measured; it writes nothing. It is made with `Means`.

    `cortexscope.testing.check_backend` holds what is promised here.
    """

    def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
        """Yield what is measured of jobs, in any order among shards and models.

        A model's first is its `Ready`; the `Steps` of a shard come in order before its `Finished`,
        of which each job has one. A `Lost` takes back the `Steps` of a shard so far. A `Failed` is
        a model's last, and the other models go on. An error ends all, and so does closing.
        """


def loading(info: ModelInfo) -> str:
    """Return what to say before a model is loaded."""
    return f"{info.model}: loading {said_count(info.parameters)} parameters"
