"""The run that readings are measured on is a real one, and all of them read it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cortexscope.store import Measurements, Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def benchmark(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "run"
    made = benchmark("large_run")
    models = [size for size in made.MODELS if size.label in ("encoder-b", "pair")]
    made.write(folder, scale=0, models=models)
    return folder


def test_a_large_run_is_whole_and_has_twelve_unequal_tasks(folder: Path) -> None:
    run = Run(folder)
    assert run.remarks == ()
    frame = run.measurements(metrics=["attention_entropy_normalized"])
    assert len(frame) == 48 * (4 * 12 + 2 * 4 * 8)
    assert frame["value"].dropna().between(0, 1).all()
    assert (frame["value"].isna() == frame["reason"].notna()).all()
    sizes = run.prompts()["task"].value_counts()
    assert len(sizes) == 12
    assert sizes.min() >= 2
    assert sizes.nunique() > 1
    assert Measurements.of(run).stacks["pair"] == ("encoder", "decoder")
    again = benchmark("large_run")
    assert again.PROMPTS * len(again.MODELS) == 100_000


def test_every_reading_reads_it_and_says_what_it_took(folder: Path) -> None:
    # As a process: what the system counts as held by a child includes what its parent held.
    ended = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "reading.py", folder],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [re.split(r" *\| *", line.strip("| ")) for line in ended.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["frame", "one table", "tables", "stats", "report"]
    for name, _, cpu, memory in rows:
        assert 0 < float(memory) < 2, name
        assert float(cpu) > 0, name
