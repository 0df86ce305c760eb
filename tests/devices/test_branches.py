"""What the code does where torch says that there are GPUs; torch is made to say so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from devices.stand_in import DEVICE, Away, stand_in

from cortexscope.engine._environment import environment
from cortexscope.engine._fit import _most
from cortexscope.engine._request import RunRequest, Settings
from cortexscope.engine.backends import ray
from cortexscope.engine.backends.local import _devices
from cortexscope.errors import UsageError
from cortexscope.measure import memory
from cortexscope.measure._transfer import on_one_device
from cortexscope.models import LoadOptions
from cortexscope.models._placement import choose_device
from cortexscope.records import Site
from cortexscope.taps._sizes import sorted_sizes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let torch say that there are two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (_FREE[str(device)], 99))
    return monkeypatch


_FREE = {"cuda": 7, "cuda:1": 5}


def asked(**options: Any) -> Any:
    settings = Settings(loading=LoadOptions(**options))
    return RunRequest(models=("m",), out=Path("run"), settings=settings)


def test_a_gpu_is_taken_where_there_is_one_and_a_missing_one_is_named(gpus: object) -> None:
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="the last of 2 is cuda:1"):
        choose_device("cuda:2")


def test_gpus_are_named_in_the_environment(gpus: object) -> None:
    assert environment()["cuda"] == "GPU 0, GPU 1"


def test_models_may_take_what_is_free_of_the_device_that_was_asked_for(gpus: object) -> None:
    assert _most(asked(), "cuda") == 7
    assert _most(asked(device="cuda:1"), "cuda") == 5
    assert _most(asked(device="cpu"), "cpu") > 99


def test_workers_share_gpus_unless_one_was_asked_for(gpus: object) -> None:
    def jobs(**options: Any) -> Any:
        return [SimpleNamespace(setup=SimpleNamespace(loading=LoadOptions(**options)))]

    assert _devices(jobs()) == _devices(jobs(device="cuda")) == 2
    assert _devices(jobs(device="cuda:1")) == _devices(jobs(device_map="auto")) == 0
    assert _devices(jobs() + jobs(device="cpu")) == 0


def test_an_actor_tells_its_gpus_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(total_memory=80_000_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: found)
    assert ray._gpu_bytes() == 80_000_000_000


def test_what_the_devices_hold_for_nothing_is_given_back(gpus: pytest.MonkeyPatch) -> None:
    emptied: list[bool] = []
    gpus.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    memory.give_back()
    assert emptied == [True]


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests/devices/test_devices.py has the GPU")
def test_sizes_are_sorted_on_their_device() -> None:
    values = torch.randn(3, 4, 5)
    with stand_in():
        found = sorted_sizes(values.to(DEVICE))
        assert isinstance(found, Away)
        np.testing.assert_array_equal(found.cpu(), np.sort(np.abs(values.numpy()), -1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests/devices/test_devices.py has the GPU")
def test_a_state_is_brought_home_only_where_its_layers_lie_apart() -> None:
    sites = [Site("decoder", layer) for layer in range(2)]
    with stand_in():
        here, there = torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        there = there.to(DEVICE)
        together = {site: {"total": there} for site in sites}
        assert on_one_device(together) is together
        apart = dict(zip(sites, ({"total": here}, {"total": there}), strict=True))
        found = [sums["total"] for sums in on_one_device(apart).values()]
        assert [value.device.type for value in found] == ["cpu", "cpu"]
        assert all(torch.equal(value, here) for value in found)


def benchmark(name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    patch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_memory_of_a_gpu_is_what_its_allocator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: told.append("waited"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: told.append("anew"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12_500_000)
    watched = benchmark("_memory", monkeypatch).watched
    with watched(torch.device("cuda")) as held:
        told.append("ran")
    assert told == ["waited", "anew", "ran", "waited"]
    assert held.costs() == {"peak_mb": 12, "above_start_mb": 7.5}
