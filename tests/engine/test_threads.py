"""All that this process computes for a request takes the threads that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import cortexscope
from cortexscope.comparing import _compare
from cortexscope.engine import Settings, _forecast, computing_with, forecast, run
from cortexscope.engine._request import RunRequest
from cortexscope.lesioning import _pass
from cortexscope.measure import tasks
from cortexscope.store import Run

ASKED = torch.get_num_threads() + 1
METRICS = ("residual_norm", "cka", "surprisal")


def _noted(monkeypatch: pytest.MonkeyPatch, home: Any, name: str, found: list[int]) -> None:
    """Have a function note with how many threads it is called."""
    original: Callable[..., Any] = getattr(home, name)

    def noting(*args: Any, **kwargs: Any) -> Any:
        found.append(torch.get_num_threads())
        return original(*args, **kwargs)

    monkeypatch.setattr(home, name, noting)


@pytest.fixture
def request_(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(
        models=(f"tiny={tiny_folder}",), metrics=METRICS, suite=suite_file,
        out=tmp_path / "run", settings=Settings(batch_tokens=64, threads=ASKED),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _left_alone() -> Any:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_values_of_tasks(
    request_: RunRequest, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    _noted(monkeypatch, tasks, "tabulate_tasks", found)
    finished = run(replace(request_, workers=workers))
    # What is lost is made again, without a job for anybody.
    lost = next(finished.path.glob("measurements/*-tasks.parquet"))
    lost.unlink()
    run(replace(request_, workers=workers, resume=True))
    assert lost.exists()
    assert found == [ASKED, ASKED]
    assert Run(finished.path).manifest.environment["threads"] == str(ASKED)


def test_the_time_of_a_plan(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    _noted(monkeypatch, _forecast, "_seconds", found)
    forecast(request_)
    assert found == [ASKED]


def test_pairs_of_models(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    _noted(monkeypatch, _compare, "write_pair", found)
    _noted(monkeypatch, _compare, "save_base", found)
    cortexscope.compare(
        f"a={tiny_folder}", f"b={tiny_folder}~layers:1", suite=suite_file, out=tmp_path / "run",
        metrics=["residual_norm"], settings=Settings(threads=ASKED),
        save_baseline=tmp_path / "base",
    )  # fmt: skip
    assert found == [ASKED, ASKED]


def test_parts_taken_out(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    _noted(monkeypatch, _pass.LesionPass, "read", found)
    cortexscope.lesion(
        f"a={tiny_folder}", suite=suite_file, out=tmp_path / "run", metrics=["residual_norm"],
        part="layers", settings=Settings(threads=ASKED),
    )  # fmt: skip
    assert found
    assert {*found} == {ASKED}


def test_an_error_gives_them_back() -> None:
    def fail() -> None:
        with computing_with(ASKED):
            assert torch.get_num_threads() == ASKED
            raise RuntimeError("here")

    with pytest.raises(RuntimeError, match="here"):
        fail()
