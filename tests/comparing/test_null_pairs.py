"""Two halves of one model's prompts are not found to differ more often than chance has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "null_pairs.py"


@pytest.fixture(scope="module")
def null_pairs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("null_pairs", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_null_pairs_are_rejected_about_as_often_as_they_should(
    null_pairs: ModuleType, tmp_path: Path
) -> None:
    of = null_pairs.measured(tmp_path, prompts=48)
    shares = null_pairs.rejections(of, simulations=60, permutations=400)
    assert len(shares) == 8
    # Seven of 60 or more come of 0.05 with a chance of 3 %, in one of eight tests.
    assert max(shares.values()) <= 8 / 60
    assert sum(shares.values()) / len(shares) <= 0.08
    assert max(shares.values()) > 0
