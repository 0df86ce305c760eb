"""Vectors of prompts are kept in half precision, and nothing that counts is lost by it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from report.made_runs import FakeModel, manifest_of, prompts_of, rows_of, table_of
from safetensors import safe_open

from cortexscope.errors import UnknownNameError
from cortexscope.metrics import METRICS
from cortexscope.records import Site
from cortexscope.store import Run, RunWriter, Vectors
from cortexscope.store._vectors import read_vectors, write_vectors

TINY = FakeModel(label="tiny", layers=2, heads=2)
SITE = Site("decoder", 1)


def kept(rows: np.ndarray) -> Vectors:
    tensor = torch.tensor(rows, dtype=torch.float32)
    counts = torch.arange(len(rows)).double()
    names = [(f"p{number}", "task") for number in range(len(rows))]
    return Vectors({"mean_state": {SITE: {"vector": tensor, "count": counts}}}, names)


def through(
    path: Path, rows: np.ndarray, framework: Literal["pt", "numpy"] = "numpy"
) -> dict[str, np.ndarray]:
    """Return what is read of a layer's rows once they were written in half precision."""
    write_vectors(path, kept(rows), halved=True)
    found = read_vectors(path, framework=framework).pools["mean_state"][SITE]
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.mark.parametrize("size", [1e-35, 1e-8, 1.0, 70_000.0, 1e30])
def test_features_keep_eleven_bits_at_any_size(tmp_path: Path, size: float) -> None:
    rows = (np.random.default_rng(0).normal(0, size, (20, 64))).astype(np.float32)
    # As massive activations are: one feature a thousand times larger than the others.
    rows[:, 7] *= 1000
    found = through(tmp_path / "v", rows)
    assert sorted(found) == ["count", "vector"]
    assert found["vector"].dtype == np.float32
    lost = np.abs(found["vector"].astype(np.float64) - rows)
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    assert (lost <= np.maximum(np.abs(rows) * 2.0**-11, largest * 2.0**-39)).all()
    assert lost.any()
    assert found["count"].tolist() == list(range(20))


def test_powers_of_two_and_what_float16_holds_are_kept_as_they_are(tmp_path: Path) -> None:
    exact = (
        np.random.default_rng(1).integers(-2047, 2048, (9, 16)) * 2.0 ** np.arange(-9, 0)[:, None]
    )
    assert np.array_equal(through(tmp_path / "v", exact)["vector"], exact)


def test_what_is_not_finite_stays_so_and_leaves_the_other_features_alone(tmp_path: Path) -> None:
    rows = np.array([[0.0, 0.0], [np.nan, np.nan], [np.inf, 3.0], [-np.inf, np.nan], [1.0, -2.0]])
    for framework in ("numpy", "pt"):
        found = through(tmp_path / framework, rows, framework)["vector"]
        np.testing.assert_array_equal(found, rows.astype(np.float32))


def test_each_prompt_is_kept_by_itself(tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(6, 8)) * 10.0 ** np.arange(-3, 3)[:, None]
    together = through(tmp_path / "all", rows)["vector"]
    for number, row in enumerate(rows):
        alone = through(tmp_path / "one", row[None])["vector"]
        assert np.array_equal(together[number], alone[0])


def written(path: Path, metrics: tuple[str, ...]) -> tuple[Run, np.ndarray]:
    """Write a run of one shard whose vectors are random numbers, and return these."""
    prompts = prompts_of(("creative_writing",), 40)
    manifest = manifest_of([TINY.info()], prompts)
    specs = {**manifest.metrics, **{name: METRICS.load(name).spec for name in metrics}}
    update = {"metrics": specs, "settings": {**manifest.settings, "keep_states": True}}
    rows = np.random.default_rng(3).normal(size=(40, 256)).astype(np.float32)
    state = {Site("decoder", n): {"vector": torch.tensor(rows)} for n in range(3)}
    vectors = Vectors({"mean_state": state}, [(own.id, own.task) for own in prompts])
    table = table_of("tiny", list(rows_of(TINY, prompts, np.random.default_rng(0))))
    with RunWriter(path, manifest.model_copy(update=update), prompts) as writer:
        writer.write_shard("tiny", 0, table, vectors)
        seen = writer.read_vectors("tiny", ["mean_state"])[0].pools["mean_state"]
        assert all(sums["vector"].dtype == torch.float32 for sums in seen.values())
    return Run(path), rows


def test_a_run_keeps_half_the_bytes_and_reads_float32(tmp_path: Path) -> None:
    run, rows = written(tmp_path / "run", ())
    with pytest.raises(UnknownNameError, match="no model 'tony'"):
        run.mean_states("tony")
    states = run.mean_states("tiny")
    assert states is not None
    for own in states.vectors:
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, rows, rtol=2**-11)
    (file,) = (run.path / "vectors").iterdir()
    assert file.stat().st_size < 0.55 * 3 * rows.nbytes
    with safe_open(file, framework="numpy") as opened:
        half, scale = (opened.get_tensor(f"mean_state/decoder/2/{n}") for n in ("vector", "scale"))
    assert (half.dtype, scale.dtype) == (np.float16, np.float32)
    assert np.array_equal(half * scale[:, None], states.vectors[2])


def test_what_values_of_whole_tasks_are_made_of_is_kept_whole(tmp_path: Path) -> None:
    run, rows = written(tmp_path / "run", ("cka",))
    states = run.mean_states("tiny")
    assert states is not None
    assert all(np.array_equal(own, rows) for own in states.vectors)
