"""The regions of the brain view equal what pandas makes of the run's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report.made_runs import REGIONAL, SMALL, FakeModel, regional_run

from cortexscope.analysis import REGIONS, Analysis, Settings, groups_of
from cortexscope.analysis._regions import regions_found
from cortexscope.document.panels._brain_shapes import SHAPES
from cortexscope.metrics import metric_names
from cortexscope.stats import adjusted_values
from cortexscope.store import Measurements, Run

FEW = Settings(0, 200, 200)
LAYERS = {
    "visual": [1], "temporal": [2], "broca": [3, 4], "parietal": [5], "prefrontal": [6],
    "wernicke": [3, 4], "hippocampus": [5, 6], "cingulate": [1, 2, 3, 4, 5, 6], "amygdala": [6],
    "cerebellum": [1, 2, 3, 4, 5, 6],
}  # fmt: skip
"""Of a model of six blocks, by hand: a block's middle is at (layer - 1/2) / 6."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return regional_run(tmp_path_factory.mktemp("regional") / "run")


def by_hand(run: Run, key: str) -> pd.DataFrame:
    """Return task and value of each prompt with its paraphrases, straight from the files."""
    frame = pd.concat(map(pd.read_parquet, sorted((run.path / "measurements").glob("*.parquet"))))
    metric = next(region.metric for region in REGIONS if region.key == key)
    frame = frame[(frame["metric"] == metric) & frame["layer"].isin(LAYERS[key])]
    layers = frame.groupby(["prompt_id", "task", "layer"])["value"].mean()
    grouped = layers.groupby(["prompt_id", "task"])
    found = grouped.std(ddof=0) if key == "cingulate" else grouped.mean()
    values: pd.DataFrame = found.reset_index()
    values["cluster"] = values["prompt_id"].str.removesuffix("-p")
    return values.groupby("cluster").agg(task=("task", "first"), value=("value", "mean"))


@pytest.mark.parametrize("key", LAYERS)
def test_a_region_is_what_pandas_makes_of_its_layers(run: Run, key: str) -> None:
    table = Analysis(run, settings=FEW).table("regions")
    own = table[(table["region"] == key) & (table["form"] == "raw")].set_index("task")
    prompts = by_hand(run, key)
    means = prompts.groupby("task")["value"].mean()
    np.testing.assert_allclose(own["mean"], means[own.index], rtol=1e-12)
    z = (means - means.mean()) / prompts["value"].std()
    np.testing.assert_allclose(own["z"], z[own.index], rtol=1e-9)
    assert (own["n"] == 12).all()
    assert ((own["low"] < own["mean"]) & (own["mean"] < own["high"])).all()
    assert own["first_layer"].eq(LAYERS[key][0]).all()
    assert own["last_layer"].eq(LAYERS[key][-1]).all()


def test_what_was_planted_has_the_strongest_colour(run: Run) -> None:
    table = Analysis(run, settings=FEW).table("regions")
    raw = table[table["form"] == "raw"]
    row = max(raw.to_dict("records"), key=lambda own: abs(own["z"]))
    assert (row["region"], row["task"]) == ("prefrontal", "counting")
    assert row["z"] > 1


def test_a_hub_score_is_the_mean_size_of_spearmans_rho(tmp_path: Path) -> None:
    """Where all prompts have one length, nothing is taken out."""
    run = regional_run(tmp_path / "even")
    (file,) = (run.path / "measurements").glob("*.parquet")
    frame = pd.read_parquet(file)

    schema = pq.read_schema(file)
    pq.write_table(pa.Table.from_pandas(frame.assign(n_tokens=9), schema=schema), file)
    run = Run(run.path)
    values = pd.DataFrame({key: by_hand(run, key)["value"] for key in LAYERS})
    rho = np.array(values.corr(method="spearman"))
    np.fill_diagonal(rho, np.nan)
    hubs = Analysis(run, settings=FEW).table("hubs").set_index("region").loc[list(LAYERS)]
    np.testing.assert_allclose(hubs["hub"], np.nanmean(np.abs(rho), axis=1), rtol=1e-9)
    partners = [list(LAYERS)[place] for place in np.nanargmax(np.abs(rho), axis=1)]
    assert hubs["partner"].tolist() == partners
    largest = rho[np.arange(10), [list(LAYERS).index(key) for key in partners]]
    np.testing.assert_allclose(hubs["rho"], largest, rtol=1e-9)
    assert (hubs["n"] == 36).all()
    assert (hubs["p"] >= 1 / 201).all()
    # The mean size of nine correlations of 36 numbers, of which chance explains all.
    assert hubs["chance"].between(0.12, 0.3).all()


@pytest.mark.slow
def test_a_hub_score_has_an_interval_over_prompts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it, a bootstrap that ranks each resample anew."""
    from scipy.stats import spearmanr

    by_chance = Analysis(run, settings=FEW).table("hubs")
    assert (by_chance.loc[by_chance["p"] > 0.05, "low"] == 0).all()
    monkeypatch.setattr("cortexscope.analysis.tables.hubs._CHANCE", 1.0)
    hubs = Analysis(run, settings=Settings(1, 2000, 200)).table("hubs").set_index("region")
    values = {
        own.region.key: adjusted_values(own.values).groupby("cluster")["value"].mean()
        for own in regions_found(Measurements.of(run), groups_of(Measurements.of(run)))
    }
    table, rng = pd.DataFrame(values).to_numpy(), np.random.default_rng(5)
    drawn = []
    for _ in range(1000):
        rho = np.abs(np.asarray(spearmanr(table[rng.integers(0, len(table), len(table))])[0]))
        drawn.append((rho.sum(axis=1) - 1) / (len(rho) - 1))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    own = hubs.loc[list(values)]
    score = own["hub"].to_numpy()
    np.testing.assert_allclose(own["high"], np.maximum(high, 2 * score - low), atol=0.02)
    np.testing.assert_allclose(own["low"], np.minimum(low, 2 * score - high).clip(0), atol=0.02)


def test_regions_that_a_run_lacks_say_which_metric_they_need(tmp_path: Path) -> None:
    run = regional_run(tmp_path / "less", metrics=REGIONAL[1:2], prompts=4)
    table = Analysis(run, settings=FEW).table("regions")
    assert set(table.loc[table["mean"].notna(), "region"]) == {"wernicke", "cingulate"}
    gone = table[table["region"] == "amygdala"]
    assert gone["z"].isna().all()
    assert set(gone["reason"]) == {
        "treves_rolls_population was not measured; run with --metric treves_rolls_population"
    }
    hubs = Analysis(run, settings=FEW).table("hubs").set_index("region")
    assert hubs.loc["amygdala", "reason"] == gone["reason"].iloc[0]
    assert hubs.loc["wernicke", "others"] == 1


def test_a_model_of_one_block_has_no_spread_between_layers(tmp_path: Path) -> None:
    model = FakeModel(layers=1)
    table = Analysis(regional_run(tmp_path / "one", model=model), settings=FEW).table("regions")
    spread = table[table["region"] == "cingulate"]
    assert set(spread["reason"]) == {"one layer alone has no spread"}
    assert table.loc[table["region"] != "cingulate", "mean"].notna().all()


def test_a_run_without_such_metrics_has_no_regions(tmp_path: Path) -> None:
    from report.made_runs import make_run

    run = make_run(tmp_path / "run", [SMALL], prompts=2, metrics=["residual_norm"])
    found = Analysis(run, settings=FEW)
    assert found.table("regions").empty
    assert "mlp_contribution" in str(found.missing("regions"))
    assert found.missing("hubs") == "no region has a value"


def test_every_region_is_drawn_and_measured_by_default() -> None:
    assert {region.key for region in REGIONS} == set(SHAPES)
    assert {region.metric for region in REGIONS} == set(REGIONAL) <= set(metric_names())


def test_a_region_is_called_as_a_sentence_calls_it() -> None:
    phrases = {region.key: region.phrase for region in REGIONS}
    assert phrases["broca"] == "Broca's area"
    assert phrases["visual"] == "the visual cortex"
    assert all(said.startswith("the ") or "'s " in said for said in phrases.values())
