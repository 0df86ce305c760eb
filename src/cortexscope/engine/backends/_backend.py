"""What a backend must do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cortexscope.engine._job import Job, Measured

__all__ = ["Backend"]


@runtime_checkable
class Backend(Protocol):
    """Does jobs and gives what was measured; it writes nothing.

    `cortexscope.testing.check_backend` holds what is promised here.
    """

    def measure(self, jobs: Iterable[Job]) -> Iterator[Measured]:
        """Yield what is measured of jobs, in any order among shards.

        A model's first is its `Ready`; the `Steps` of a shard come in order before its `Finished`,
        of which each job has one. An error ends all.
        """
