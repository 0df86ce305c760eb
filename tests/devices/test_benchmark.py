"""`benchmarks/gpu.sh` finds what is right right and what is wrong wrong; here on the CPU."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from models.tiny import tiny_config, tiny_tokenizer

from cortexscope import native

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a model without its weights."""
    folder = tmp_path_factory.mktemp("shape")
    tiny_config(vocab_size=40_000, max_position_embeddings=512).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def started(*options: str | Path, **environment: str) -> Any:
    return subprocess.run(
        [ROOT / "benchmarks" / "gpu.sh", *options],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_all_parts_are_found_right_on_the_cpu(shape: Path, tmp_path: Path) -> None:
    parts = ["kernels", "textbook", "exactness", "selfchecks"]
    ended = started(
        "--model", shape, "--lengths", "24", "--out", tmp_path, "--device", "cpu", "--parts", *parts
    )
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    assert found[0]["weights"] == "random"
    assert {row["part"] for row in found} == {"machine", "took", *parts}
    judged = [row for row in found if "passed" in row]
    assert len(judged) == 72 + 1 + 3 + 3
    assert all(row["passed"] for row in judged)
    (exact,) = [row for row in found if row["part"] == "exactness" and row["dtype"] == "float32"]
    assert len(exact["deviations"]) > 40
    # One rounds in float32 and the other in float64: nothing differs only where nothing ran.
    assert 0 < exact["largest_deviation"] < 1e-4
    tried = [row for row in found if row["part"] == "kernels"]
    assert {row["compiled"] for row in tried} == {native.is_there()}
    assert all(row["entropy_error"] < 1e-5 for row in tried if row["compiled"])
    page = (tmp_path / "gpu.md").read_text()
    assert "| float32, causal | flash |" in page
    assert page in ended.stdout
    assert not (shape / "model.safetensors").exists()


def test_what_is_wrong_ends_with_1_and_is_named(
    shape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    _gpu_checks, gpu = (importlib.import_module(name) for name in ("_gpu_checks", "gpu"))
    monkeypatch.setattr(_gpu_checks, "_plain", _off_by_ln_2(_gpu_checks._plain))
    asked = ["--model", str(shape), "--out", str(tmp_path), "--parts", "kernels"]
    assert gpu.main([*asked, "--device", "cpu"]) == 1
    assert "72 findings are wrong" in capsys.readouterr().out


def _off_by_ln_2(plain: Any) -> Any:
    def off(*given: Any) -> Any:
        output, sums = plain(*given)
        return output, sums + 0.693

    return off


def test_what_costs_is_written_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    page = importlib.import_module("_gpu_page").page

    cost = {"seconds": 0.01, "seconds_ratio": 1.0, "above_start_mb": 2.0}
    ways = {"bare": cost, "panel": {**cost, "seconds_ratio": 1.25, "above_start_mb": 3.0}}
    whole = {"part": "overhead", "dtype": "bfloat16", "tokens": 24, "batch": 32, "ways": ways}
    eager = {**whole, "ways": {**ways, "eager": cost}}
    machine = {"processor": "P", "cuda": "GPU 0", "memory": "80 GiB", "weights": "random"}
    machine["model"] = "llama of 30 layers"
    versions = dict.fromkeys(("torch", "transformers", "python"), "1")
    lines = page([{"part": "machine", **machine, **versions}, whole, eager]).splitlines()
    assert "on GPU 0, 80 GiB; a llama of 30 layers with random weights" in lines[0]
    assert lines[-4] == "| tokens × prompts | bare | panel | eager |"
    assert lines[-2:] == [
        "| bfloat16, 24 × 32 | 10.0 ms, 2 MB | 1.25 ×, 3 MB | – |",
        "| bfloat16, 24 × 32 | 10.0 ms, 2 MB | 1.25 ×, 3 MB | 1.00 ×, 2 MB |",
    ]


@pytest.mark.slow
def test_a_machine_without_torch_or_wheels_is_told_what_to_do(tmp_path: Path) -> None:
    ended = started("--wheels", tmp_path)
    assert ended.returncode == 2
    assert f"There are no wheels in {tmp_path}" in ended.stderr
    none = shutil.which("false")
    ended = started(PYTHON=str(none))
    assert ended.returncode == 2
    assert "has no torch" in ended.stderr
