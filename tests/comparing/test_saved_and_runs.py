"""A baseline out of a file says what the model would; runs say what they kept, and why no more."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
from comparing.conftest import Comparer, of_family, small

import cortexscope
from cortexscope.comparing import Comparison
from cortexscope.engine import RunRequest, Settings, run
from cortexscope.errors import ModelFileError, UnknownNameError, UsageError
from cortexscope.store import Measurements


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_saved_baseline_stands_for_its_model(
    family: str, tmp_path: Path, comparer: Comparer
) -> None:
    first, second = of_family(tmp_path / "models", family)
    file = tmp_path / "base.safetensors"
    models = [f"first={first}", f"second={second}"]
    whole = Measurements.of(comparer(models, save_baseline=file)).pairs().predictions
    found = comparer([f"second={second}"], baseline=str(file), name="later")
    alone = Measurements.of(found).pairs().predictions
    one, two = (own.set_index("prompt_id").sort_index() for own in (whole, alone))
    assert set(two.base) == {"first"}
    for column in ("kl", "log_p_base", "log_p"):
        ours, theirs = (np.concatenate(own[column].dropna().tolist()) for own in (one, two))
        assert len(ours) == 210
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-9)
    assert one.bits_per_byte_base.dropna().tolist() == pytest.approx(
        two.bits_per_byte_base.dropna().tolist(), abs=1e-9
    )
    assert set(two.drift_reason) == {"of the base no states of layers were kept"}
    comparison = Comparison(found)
    assert comparison.table("states").empty
    assert comparison.table("metrics").empty
    (outcome,) = comparison.check(["cka < 0.9"])
    assert outcome.holds is None
    assert outcome.failed


def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, comparer: Comparer) -> None:
    folder = small(tmp_path / "model")
    with pytest.raises(UsageError, match=r"model\.safetensors is no baseline"):
        comparer([f"one={folder}"], baseline=str(folder / "model.safetensors"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x08")
    with pytest.raises(ModelFileError, match="make it again"):
        comparer([f"one={folder}"], baseline=str(broken))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_runs_are_compared_by_what_they_kept(
    suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORTEXSCOPE_CACHE", str(tmp_path / "cache"))
    for name, seed in (("a", 0), ("b", 1)):
        folder = small(tmp_path / name, seed=seed)
        run(
            RunRequest(
                models=(f"{name}={folder}",),
                suite=suite_file,
                metrics=("residual_norm", "bits_per_byte"),
                out=tmp_path / f"run-{name}",
                selfcheck=False,
            )
        )
    runs = [str(tmp_path / "run-a"), str(tmp_path / "run-b")]
    found = cortexscope.compare(*runs, out=tmp_path / "both")
    (row,) = found.table("predictions").query("task.isna()").to_dict("records")
    assert np.isnan(row["kl"])
    assert "only what runs kept was compared" in row["reason"]
    assert row["bits_difference_low"] < row["bits_difference"] < row["bits_difference_high"]
    states = found.table("states")
    assert states.cka.notna().all()
    assert states.distance.isna().all()
    assert set(found.table("metrics").metric) == {"residual_norm", "bits_per_byte"}
    assert any("no KL divergence" in said for said in found.findings)
    store = fsspec.filesystem("memory")
    for name in ("a", "b"):
        store.put(f"{tmp_path}/run-{name}/", f"/compared/run-{name}/", recursive=True)
    urls = [f"memory://compared/run-{name}" for name in ("a", "b")]
    far = cortexscope.compare(*urls, out=tmp_path / "far")
    for table in ("predictions", "metrics", "states"):
        assert far.table(table).equals(found.table(table))
    with pytest.raises(UsageError, match=r"is kept in the run, and .* is a copy of one at a URL"):
        cortexscope.compare(urls[0])
    other = cortexscope.compare(str(tmp_path / "both"), baseline="b", out=tmp_path / "unused")
    assert other.path == tmp_path / "both"
    assert set(other.table("predictions").base) == {"a", "b"}
    with pytest.raises(UnknownNameError, match="baseline 'c' is none of the models"):
        cortexscope.compare(str(tmp_path / "both"), baseline="c")
    with pytest.raises(UsageError, match=r"is a run and .* a model"):
        cortexscope.compare(runs[0], str(tmp_path / "a"))
    with pytest.raises(UsageError, match="has one model"):
        cortexscope.compare(runs[0])


@pytest.mark.slow
def test_a_plain_run_goes_on_with_the_metrics_of_a_comparison(
    tmp_path: Path, suite_file: Path, comparer: Comparer
) -> None:
    models = tuple(f"{name}={small(tmp_path / name, layers=1)}" for name in ("one", "two"))
    found = comparer(models)
    whole = found.measurements_table()
    found.measurement_files()[-1].unlink()
    again = run(
        RunRequest(
            models=models,
            suite=suite_file,
            out=found.path,
            selfcheck=False,
            resume=True,
            settings=Settings(batch_tokens=64, shard_batches=1),
        )
    )
    assert [*again.manifest.metrics] == ["residual_norm", "bits_per_byte"]
    assert again.measurements_table().equals(whole)
