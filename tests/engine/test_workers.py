"""Several workers, some of which are lost: the same bits, nothing doubled, nobody left behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from families import tiny_model
from generated import small_request, suite_of, written

from cortexscope.engine import Generation, Job, Measured, RunRequest, jobs_of, run
from cortexscope.engine._estimate import Estimate, Memory
from cortexscope.engine._fit import crowding
from cortexscope.engine._job import Failed, Finished, Lost
from cortexscope.engine._request import Silent
from cortexscope.engine.backends import Means
from cortexscope.engine.backends._crew import GoneError, work_together
from cortexscope.engine.backends._rota import Rota
from cortexscope.engine.backends.local import _environment
from cortexscope.engine.backends.ray import needs_of
from cortexscope.errors import UsageError, WorkerLostError
from cortexscope.metrics import METRICS

ENDING = '''
import os
from pathlib import Path
from cortexscope.metrics import MeanOverStates, MetricSpec


class Ending(MeanOverStates):
    """Ends its process, as often as there are files to remove."""

    spec = MetricSpec(
        name="ending", title="Ending", unit="1", axes=("layer",), bounds=(None, None),
        needs=("hidden",), definition="Norms.", source="none", group="magnitude",
    )
    undefined = "never"

    def value(self, seen):
        for file in sorted(Path(__file__).parent.glob("*.life")):
            file.unlink()
            os.kill(os.getpid(), 9)
        return seen.norms
'''


@pytest.fixture
def request_(tmp_path: Path) -> RunRequest:
    """Two models of three shards each, which generate."""
    folders = [written(tiny_model(name), tmp_path / name) for name in ("llama", "gpt2")]
    for folder in folders:
        suite_of(folder, lengths=(7, 12, 3))
    request = small_request(folders[0], tmp_path / "run", Generation(tokens=2))
    settings = replace(request.settings, threads=1, batch_tokens=12)
    models = tuple(f"{folder.name}={folder}" for folder in folders)
    return replace(request, models=models, settings=settings)


@pytest.fixture(autouse=True)
def _forget_plugins() -> Iterator[None]:
    yield
    if "ending" in METRICS.names():
        METRICS.drop("ending")


class Noted(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.tokens: dict[str, int] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, model: str, tokens: int) -> None:
        self.tokens[model] = self.tokens.get(model, 0) + tokens


def lives(folder: Path, number: int) -> tuple[Path]:
    plugin = folder / "ending.py"
    plugin.write_text(ENDING)
    for life in range(number):
        (folder / f"{life}.life").touch()
    return (plugin,)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_shard_alone(
    request_: RunRequest, tmp_path: Path
) -> None:
    plugins = lives(tmp_path, 0)
    asked = replace(request_, plugins=plugins, metrics=("ending", "surprisal"))
    alone = run(replace(asked, out=tmp_path / "alone"))
    lives(tmp_path, 2)
    progress = Noted()
    found = run(replace(asked, workers=2), progress)
    assert sum("was killed by SIGKILL" in note for note in progress.notes) == 2
    assert found.measurements_table(steps=True).equals(alone.measurements_table(steps=True))
    assert found.generations().equals(alone.generations())
    assert found.manifest.status == "complete"
    assert set(progress.tokens.values()) == {22}
    assert not list((tmp_path / "run").rglob(".part-*"))


@pytest.mark.slow
def test_three_lost_workers_in_turn_fail_the_model(request_: RunRequest, tmp_path: Path) -> None:
    plugins = lives(tmp_path, 9)
    asked = replace(request_, models=request_.models[:1], plugins=plugins, workers=2)
    with pytest.raises(WorkerLostError, match="three workers in turn were lost over shard"):
        run(replace(asked, metrics=("ending",)))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals")
def test_workers_end_with_a_driver_that_is_killed(request_: RunRequest, tmp_path: Path) -> None:
    models = [option for own in request_.models for option in ("--model", own)]
    line = ["-m", "cortexscope", "run", *models, "--suite", str(request_.suite), "--workers", "2"]
    driver = subprocess.Popen(
        [sys.executable, *line, "--no-report", "--out", str(request_.out)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    workers: list[psutil.Process] = []
    while len(workers) < 2:
        assert driver.poll() is None
        workers = psutil.Process(driver.pid).children()
        time.sleep(0.01)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    _, left = psutil.wait_procs(workers, timeout=60)
    assert not left


class Faulty:
    """A seat that is lost at chosen jobs, the first time or ever."""

    def __init__(self, lost: set[int], *, ever: bool = False) -> None:
        self.lost, self.ever = lost, ever
        self.released = 0

    def measure(self, job: Job) -> Iterator[Measured | int | str]:
        yield 5
        assert isinstance(job.name, int)
        if job.name in self.lost:
            if not self.ever:
                self.lost.discard(job.name)
            raise GoneError("was tired")
        yield Finished(job.model, job.name, None)

    def stop(self) -> None:
        """It has nothing under way."""

    def release(self) -> None:
        self.released += 1

    def close(self) -> None:
        pass


def test_a_lost_job_is_done_again_and_another_model_goes_on(request_: RunRequest) -> None:
    jobs = jobs_of(replace(request_, settings=replace(request_.settings, threads=None)))
    told = Noted()
    means = Means(advance=told.advance)
    found = list(work_together([Faulty({1}), Faulty({1})], Rota(jobs), means))
    done = [(one.model, one.work) for one in found if isinstance(one, Finished)]
    assert sorted(done) == sorted((job.model, job.name) for job in jobs)
    assert 1 <= sum(isinstance(one, Lost) for one in found) <= 2
    assert told.tokens == {"llama": 15, "gpt2": 15}
    first = [job for job in jobs if job.model == "llama" and job.name == 1]
    rest = [job for job in jobs if job.model == "gpt2" and job.name != 1]
    found = list(work_together([Faulty({1}, ever=True)], Rota([*first, *rest]), Means()))
    assert sum(isinstance(one, Lost) for one in found) == 3
    (failed,) = (one for one in found if isinstance(one, Failed))
    assert (failed.model, type(failed.error)) == ("llama", WorkerLostError)
    assert sum(isinstance(one, Finished) for one in found) == len(rest)


def test_workers_spread_over_models_and_keep_to_the_memory(request_: RunRequest) -> None:
    jobs = jobs_of(request_)
    rota = Rota(jobs)
    taken = [rota.next(worker, lambda: None) for worker in range(3)]
    assert [job.model for job in taken if job] == ["llama", "gpt2", "llama"]
    rota = Rota(jobs, costs={"llama": 6, "gpt2": 5}, most=10)
    first = rota.next(0, lambda: None)
    assert first is not None
    assert first.model == "llama"
    # Nothing fits beside it, and so a second one takes nothing before the first lets go.
    assert rota._chosen(1) is None
    rota = Rota(jobs, costs={"llama": 6, "gpt2": 4}, most=10)
    assert [getattr(rota.next(worker, lambda: None), "model", None) for worker in range(2)] == [
        "llama",
        "gpt2",
    ]
    rota = Rota(jobs, costs={"llama": 6, "gpt2": 6}, most=10, devices=2)
    assert all(rota.next(worker, lambda: None) for worker in range(2))


def test_crowded_models_are_named() -> None:
    own = Estimate("m", 1, "float32", "cpu", 1, 1, 1, 1, 1, 1, 1, 1, Memory(1, 2, 3, 4))
    assert crowding([own], 2, 20) == []
    assert crowding([own], 2, 19) == [
        "m: at most 1 worker of 2 at a time, as each may take 10 B of 19 B"
    ]


def test_workers_have_threads_and_devices_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    assert _environment(3, 2, 2)["CUDA_VISIBLE_DEVICES"] == "6"
    assert _environment(3, 2, 2)["OMP_NUM_THREADS"] == "2"
    assert "CUDA_VISIBLE_DEVICES" not in _environment(3, 2, 1)


def test_actors_are_placed_by_the_memory_of_gpus() -> None:
    giga = 10**9
    memory = Memory(giga, 14 * giga, giga, giga)
    assert needs_of(memory, 2, 0, 0) == (2, 0, 17 * giga)
    # 16 GB of 80 with CUDA's own: five fit; alone on it where workers are few.
    assert needs_of(memory, 2, 0.1, 80 * giga).gpus == 0.2
    assert needs_of(memory, 2, 1.5, 80 * giga).gpus == 1
    assert needs_of(memory, 2, 0.5, 80 * giga).gpus == 0.5
    assert needs_of(memory, 2, 0.1, 10 * giga).gpus == 2
    three = needs_of(memory, 2, 0.1, 50 * giga).gpus
    assert three * 3 > 1 - 1e-9


def test_what_cannot_be_asked_is_refused(request_: RunRequest) -> None:
    with pytest.raises(UsageError, match="workers is 0"):
        replace(request_, workers=0)
    with pytest.raises(UsageError, match="--backend ray"):
        replace(request_, address="auto")


@pytest.mark.slow
def test_a_worker_whose_driver_is_gone_ends_without_a_word(request_: RunRequest) -> None:
    line = [sys.executable, "-P", "-m", "cortexscope.engine.backends._process"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, **pipes) as worker:  # type: ignore[call-overload]
        worker.stdout.close()
        # Its input stays open: it is what it gives that has no reader any more.
        pickle.dump(jobs_of(request_)[0], worker.stdin)
        worker.stdin.flush()
        assert worker.wait(timeout=120) == 1
        assert worker.stderr.read() == b""
