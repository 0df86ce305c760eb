"""Damaged files of every kind end in a result or in one sentence: some, as many more are tried
by `benchmarks/fuzz.py`."""

from __future__ import annotations

import importlib.util
import random
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cortexscope.models import _wheel

INPUTS = {
    "model": 40,
    "adapter": 15,
    "gguf": 20,
    "wheel": 40,
    "suite": 80,
    "answers": 60,
    "study": 40,
    "run": 60,
    "beside": 40,
}


def benchmark() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
    spec = importlib.util.spec_from_file_location("fuzz", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what makes the whole adapter
@pytest.mark.parametrize("name", INPUTS)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(_wheel, "_download", None)  # which the benchmark sets
    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "cache"))
    fuzz = benchmark()
    assert set(fuzz.PARSERS) == set(INPUTS)
    pristine, case = tmp_path / "pristine", tmp_path / "case"
    pristine.mkdir()
    fuzz.PARSERS[name].make(pristine)

    def outcome_of(folder: Path) -> str:
        # What an earlier input left there would be read in place of this one.
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        found: str = fuzz.outcome_of(fuzz.PARSERS[name], folder)
        return found

    for whole in fuzz.whole_inputs(name, pristine, tmp_path / "wholes"):
        assert outcome_of(whole) == "read", whole
    rng = random.Random(f"small {name}")
    wrong, refused = [], 0
    for _ in range(INPUTS[name]):
        case.mkdir()
        said = fuzz.write_input(name, pristine, case / "target", rng)
        outcome = outcome_of(case / "target")
        refused += outcome == "refused"
        if outcome not in ("read", "refused"):
            wrong.append(f"{outcome} of {said}")
        shutil.rmtree(case)
    assert wrong == []
    assert refused
