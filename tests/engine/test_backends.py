"""Jobs are data: whoever does them, in whatever process, measures the same bits."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from families import tiny_model
from generated import small_request, suite_of, written

from cortexscope.engine import Generation, RunRequest, jobs_of, run
from cortexscope.engine._job import Failed, Finished, Job, Measured, Ready, Steps
from cortexscope.engine.backends import BACKENDS, Means
from cortexscope.engine.backends.local import Local
from cortexscope.errors import ModelFileError, UnknownNameError, UsageError
from cortexscope.metrics import METRICS
from cortexscope.testing import check_backend

pytestmark = pytest.mark.slow

PLUGIN = '''
from cortexscope.metrics import MeanOverStates, MetricSpec


class Mine(MeanOverStates):
    """Return the mean norm, as an example."""

    spec = MetricSpec(
        name="mine",
        title="Mine",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean norm.",
        source="a test",
    )

    def value(self, seen):
        return seen.norms
'''


def local() -> Local:
    return Local(Means())


def failure_of(job: Job) -> Exception:
    """Return why its model fails."""
    (failed,) = local().measure([job])
    assert isinstance(failed, Failed)
    return failed.error


def do(job: bytes) -> bytes:
    """Do a job in the process that this runs in."""
    return pickle.dumps(list(local().measure([pickle.loads(job)])))


class Spawned:
    """Does jobs in a fresh process, the last one first."""

    def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
        context = get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for found in pool.map(do, [pickle.dumps(job) for job in reversed(list(jobs))]):
                yield from pickle.loads(found)


@pytest.fixture
def request_(tmp_path: Path) -> Iterator[RunRequest]:
    """A run of two shards and of sequences, with generation and a metric of a user's own."""
    folder = written(tiny_model("llama"), tmp_path / "llama")
    suite_of(folder, lengths=(7, 12, 3))
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    request = small_request(folder, tmp_path / "run", Generation(tokens=2))
    yield replace(
        request,
        metrics=("mine", "cka", "surprisal", "induction_score"),
        plugins=(plugin,),
        settings=replace(request.settings, shard_batches=1, batch_tokens=24),
        selfcheck=False,
    )
    if "mine" in METRICS.names():
        METRICS.drop("mine")


def test_jobs_in_fresh_processes_measure_the_same_bits(request_: RunRequest) -> None:
    jobs = jobs_of(request_)
    assert len(jobs) >= 3
    check_backend(Spawned(), [jobs[0], jobs[-1]])


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", BACKENDS.names())
def test_each_backend_keeps_its_contract(request_: RunRequest, name: str, workers: int) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    means = Means(workers=workers, threads=torch.get_num_threads())
    check_backend(BACKENDS.load(name)(means), jobs_of(request_))


def test_a_run_is_the_same_whoever_does_its_jobs(
    request_: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interleaved(Local):
        """Gives what belongs to several shards in turn."""

        def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
            ready, *rest = super().measure(jobs)
            yield ready
            yield from sorted(rest, key=lambda one: isinstance(one, Finished))

    monkeypatch.setattr(BACKENDS, "load", lambda name: Interleaved)
    other = run(replace(request_, out=tmp_path / "other"))
    monkeypatch.undo()
    own = run(request_)
    assert own.measurements_table(steps=True).equals(other.measurements_table(steps=True))
    assert own.generations().equals(other.generations())
    with pytest.raises(UnknownNameError, match="did you mean 'local'"):
        run(replace(request_, out=tmp_path / "third", backend="locals"))
    assert not (tmp_path / "third").exists()


def test_a_plugin_that_has_changed_is_refused_where_it_would_run(request_: RunRequest) -> None:
    job = jobs_of(request_)[0]
    (plugin,) = job.setup.plugins
    plugin.path.write_text(PLUGIN.replace("seen.norms", "2 * seen.norms"))
    with pytest.raises(UsageError, match=r"mine\.py has changed since the run was planned"):
        raise failure_of(job)


def test_a_plugin_that_is_not_there_comes_along(request_: RunRequest) -> None:
    job = jobs_of(request_)[0]
    (plugin,) = job.setup.plugins
    plugin.path.unlink()
    METRICS.drop("mine")
    means = Means(workers=2, threads=torch.get_num_threads())
    check_backend(BACKENDS.load("local")(means), [job])


def test_a_model_that_is_another_one_where_it_is_loaded_is_refused(request_: RunRequest) -> None:
    job = jobs_of(request_)[0]
    config = Path(request_.models[0].partition("=")[2]) / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ModelFileError, match="has other files here than where the run was planned"):
        raise failure_of(job)


def test_a_backend_that_breaks_its_contract_is_told_how(request_: RunRequest) -> None:
    jobs = jobs_of(request_)
    found = list(local().measure(jobs))

    class Given:
        def __init__(self, given: Iterable[Measured]) -> None:
            self.given = given

        def measure(self, jobs: Iterable[Job]) -> Generator[Measured, None, None]:
            yield from self.given

    ready: list[Measured] = [one for one in found if isinstance(one, Ready)]
    rest: list[Measured] = [one for one in found if not isinstance(one, Ready)]
    finished: list[Measured] = [one for one in rest if isinstance(one, Finished)]
    check_backend(Given(found), jobs)
    broken: tuple[tuple[list[Measured], str], ...] = (
        (rest, "before its model is ready"),
        ([*ready, *finished, *(one for one in rest if isinstance(one, Steps))], "is not over when"),
        (found[:-1], "not every job is done"),
        ([*ready, *finished], "has other values"),
    )
    for given, said in broken:
        with pytest.raises(AssertionError, match=said):
            check_backend(Given(given), jobs)
