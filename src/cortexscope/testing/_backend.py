"""What a backend must pass."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

from cortexscope.engine import Failed, Finished, Job, Lost, Measured, Ready, Steps
from cortexscope.engine.backends import Backend, Means
from cortexscope.engine.backends.local import Local
from cortexscope.metrics.base.contract import expect

__all__ = ["check_backend"]


def check_backend(backend: Backend, jobs: Sequence[Job]) -> None:
    """Check that a backend keeps its contract, on jobs of a run.

    Jobs and what comes of them are plain data; a model says that it is ready before anything of it
    comes; each job is done once; and every bit is what this process measures itself.

    Args:
        backend: to be checked.
        jobs: such as `cortexscope.engine.jobs_of(request)` gives, of small models.

    Raises:
        AssertionError: naming what does not hold, and what to do.
    """
    sent = pickle.loads(pickle.dumps(list(jobs)))
    expect(sent == list(jobs), "a job is another one when it was pickled; hold nothing but data")
    found = [pickle.loads(pickle.dumps(one)) for one in backend.measure(sent)]
    ready: set[str] = set()
    done: set[tuple[str, int | str]] = set()
    for one in found:
        expect(not isinstance(one, Failed), f"{one.model} fails: {getattr(one, 'error', None)}")
        if isinstance(one, Ready):
            ready.add(one.model)
            continue
        if isinstance(one, Failed | Lost):
            continue
        key = (one.model, one.shard if isinstance(one, Steps) else one.work)
        expect(one.model in ready, f"{key} comes before its model is ready; give Ready first")
        expect(key not in done, f"{key} is not over when it is finished; give Finished once, last")
        if isinstance(one, Finished):
            done.add(key)
    own = _by_job(list(Local(Means()).measure(jobs)))
    expect(done == set(own), "not every job is done, or others are; give one Finished a job")
    for key, parts in _by_job(found).items():
        expect(parts == own[key], f"{key} has other values than where it is measured alone")


def _by_job(found: Sequence[Measured]) -> dict[tuple[str, int | str], dict[str, Any]]:
    """Return what was measured of each job, in types that compare bit for bit."""
    jobs: dict[tuple[str, int | str], dict[str, Any]] = {}
    for one in found:
        if isinstance(one, Ready | Failed):
            continue
        key = (one.model, one.shard if isinstance(one, Steps) else one.work)
        if isinstance(one, Lost):
            jobs.pop(key, None)
            continue
        parts = jobs.setdefault(key, {"steps": []})
        if isinstance(one, Steps):
            parts["steps"] += one.table.to_pylist()
            continue
        vectors = one.vectors
        pools = {} if vectors is None else vectors.pools
        parts |= {
            "table": one.table.to_pylist(),
            "prompts": None if vectors is None else list(vectors.prompts),
            "vectors": {
                (pool, site, name): (sums.dtype, sums.shape, sums.cpu().numpy().tobytes())
                for pool, state in pools.items()
                for site, named in state.items()
                for name, sums in named.items()
            },
            "generations": None if one.generations is None else one.generations.to_pylist(),
            "not_finite": one.not_finite,
        }
    return jobs
