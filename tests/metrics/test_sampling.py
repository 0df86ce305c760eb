"""The table of samples in the docs is what its command measures, and the panel keeps to it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from cortexscope.metrics import METRICS
from cortexscope.store import Run

ROOT = Path(__file__).parents[2]


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sampling", ROOT / "benchmarks" / "sampling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(ROOT / "docs" / "sampling.csv")


def test_the_table_has_each_sampled_metric_of_each_model(table: pd.DataFrame) -> None:
    names = benchmark().sampled_metrics()
    decoder = table[table["model"] == "demo-decoder"]["metric"]
    assert tuple(decoder) == names
    # An encoder without a head has no logit lens.
    headed = [name for name in names if "lens" not in METRICS.load(name).spec.needs]
    assert list(table[table["model"] == "demo-encoder"]["metric"]) == headed
    assert (table["prompts"] > 500).all()


def test_the_default_panel_has_no_metric_that_its_sample_does_not_stand_for(
    table: pd.DataFrame,
) -> None:
    low = table["metric"].map(lambda name: METRICS.load(name).spec.cost == "low")
    assert low.any()
    # What is the same for all prompts has no r, and no noise either.
    assert (table[low]["r"].dropna() >= 0.9).all()


@pytest.mark.slow
def test_the_command_compares_a_sample_with_all_tokens(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    module = benchmark()
    names = module.sampled_metrics()
    exact, some = (
        module.measured(
            tmp_path / name,
            [f"tiny={tiny_folder}"],
            suite_file,
            metrics=names,
            sample=sample,
        )
        for name, sample in (("exact", None), ("sampled", 4))
    )
    found = module.agreement(exact, some).set_index("metric")
    assert list(found.columns) == list(module.COLUMNS[1:])
    assert set(found["prompts"]) <= set(range(8, 13))
    for name in ("kurtosis_tokens", "attention_distance", "lens_kl", "lens_entropy"):
        wanted = np.corrcoef(_by_prompt(exact, name), _by_prompt(some, name))[0, 1]
        assert found.loc[name, "r"] == pytest.approx(wanted, rel=1e-9)
        assert found.loc[name, "worst_r"] <= 1 or np.isnan(found.loc[name, "worst_r"])
    longer = some.measurements(metrics=["kurtosis_tokens"]).groupby("prompt_id")["n_tokens"].max()
    assert found.loc["kurtosis_tokens", "longer"] == (longer > 4).sum()
    name = "kurtosis_tokens"
    layers = [
        np.corrcoef(_by_prompt(exact, name, layer), _by_prompt(some, name, layer))[0, 1]
        for layer in range(int(some.measurements()["layer"].max()) + 1)
    ]
    assert found.loc["kurtosis_tokens", "worst_layer"] == int(np.argmin(layers))
    assert found.loc["kurtosis_tokens", "worst_r"] == pytest.approx(min(layers), rel=1e-9)


def _by_prompt(side: Run, metric: str, layer: int | None = None) -> list[float]:
    frame = side.measurements(metrics=[metric])
    if layer is not None:
        frame = frame[frame["layer"] == layer]
    means = frame.groupby("prompt_id")["value"].mean().dropna()
    return [float(x) for x in means.sort_index()]
