"""The peak of memory is a model's own: what was freed before does not count."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch

from cortexscope.engine import RunRequest, _peak, run
from cortexscope.engine._peak import Peak
from cortexscope.store import RunWriter
from cortexscope.tasks import load_suite

CPU = torch.device("cpu")
LARGE = 200_000_000


def test_counts_what_was_held_since_it_was_made() -> None:
    before = Peak(CPU).so_far()
    if before is None:
        pytest.skip("the system does not tell the peak")
    peak = Peak(CPU)
    # Of the system itself: an allocator may hand out what it holds already.
    with mmap.mmap(-1, LARGE) as held:
        pages = np.frombuffer(held, dtype=np.uint8)
        pages[:: mmap.PAGESIZE] = 1
        del pages
    assert (peak.so_far() or 0) - before > 0.9 * LARGE
    assert (Peak(CPU).so_far() or 0) - before < 0.5 * LARGE


def test_is_unknown_where_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_peak, "_SELF", tmp_path / "none")
    assert Peak(CPU).so_far() is None


def test_of_cuda_is_the_sum_over_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", again.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda number: [3, 4][number])
    assert Peak(torch.device("cuda")).so_far() == 7
    assert again == [0, 1]


def test_a_run_notes_the_most_of_each_model(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    request = RunRequest(
        models=(f"tiny={tiny_folder}",),
        suite=suite_file,
        out=tmp_path / "run",
        metrics=("residual_norm",),
    )
    found = run(request)
    if Peak(CPU).so_far() is None:
        assert found.manifest.memory == {}
        return
    (most,) = found.manifest.memory.values()
    assert most > 50_000_000
    prompts = load_suite(suite_file).prompts
    with RunWriter(request.out, found.manifest, prompts, resume=True, force=False) as writer:
        writer.note_memory("tiny", most - 1)
        assert writer.manifest.memory == {"tiny": most}
        writer.note_memory("tiny", most + 1)
        assert writer.manifest.memory == {"tiny": most + 1}
