"""Runs that are killed, signalled and damaged complete as they say: some, as `benchmarks/chaos.py`
tries many more."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from store.sound import sound_run

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and mounts")
@pytest.mark.parametrize(("backends", "rounds"), [("local", 4), ("workers", 1)])
def test_disturbed_runs_complete_to_the_same_bits(backends: str, rounds: int) -> None:
    line = [sys.executable, str(BENCHMARKS / "chaos.py"), "--backends", backends]
    found = subprocess.run([*line, "--rounds", str(rounds)], capture_output=True, text=True)
    assert re.search(rf"^{rounds} rounds, 0 failed; ", found.stdout, re.MULTILINE), found.stdout
    assert found.returncode == 0


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (None, ""),
        ("measurements/00-all-MiniLM-L6-v2-00000.parquet", "measured something else"),
        ("measurements/.part-0123-a", "left behind"),
        (".lock", "left behind .lock"),
        ("manifest.json", "cannot be read"),
    ],
)
def test_a_round_sees_what_is_not_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str | None, says: str
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    chaos = importlib.import_module("_chaos_round")
    monkeypatch.setattr(chaos, "on_small_disk", lambda folder: False)
    world = SimpleNamespace(folder=tmp_path, plugin=lambda folder: folder)
    with chaos.Round(world, "local", "a seed of no run", 1.0) as tried:
        sound_run(tried.out)
        for name in ("vectors", "generations"):
            (tried.out / name).mkdir()
        expected = chaos.everything(tried.out)
        if harm is not None:
            with (tried.out / harm).open("ab") as file:
                file.write(b"}")
        tried._compare(expected)
        assert bool(tried.faults) == bool(says)
        assert says in " ".join(tried.faults)
