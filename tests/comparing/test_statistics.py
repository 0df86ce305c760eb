"""What a comparison says equals what is computed of its rows, and nothing is said of nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing.conftest import Comparer, small
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, ttest_1samp

from cortexscope.comparing import Comparison
from cortexscope.engine import Settings
from cortexscope.stats import distance_correlation, linear_cka, procrustes_distance
from cortexscope.store import Measurements, Run

METRICS = ("residual_norm", "attention_entropy")
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def clouds() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    first = rng.normal(size=(9, 20))
    return first, first @ rng.normal(size=(20, 5)) + rng.normal(size=(9, 5))


def test_procrustes_is_what_singular_values_say(clouds: tuple[Floats, Floats]) -> None:
    first, second = clouds
    one, two = (own - own.mean(axis=0) for own in clouds)
    shared = np.linalg.svd(one.T @ two, compute_uv=False).sum()
    plain = 1 - shared / np.linalg.norm(one) / np.linalg.norm(two)
    assert procrustes_distance(first, second) == pytest.approx(plain, abs=1e-12)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 20)))[0]
    assert procrustes_distance(first, 7 * first @ turn + 3) == pytest.approx(0, abs=1e-12)
    assert np.isnan(procrustes_distance(first, np.ones((9, 2))))


def test_distances_of_prompts_are_ranked(clouds: tuple[Floats, Floats]) -> None:
    def apart(layer: Floats) -> Floats:
        return np.asarray(pdist((layer - layer.mean(axis=0)) / layer.std(axis=0), "correlation"))

    plain = spearmanr(*map(apart, clouds)).statistic
    assert distance_correlation(*clouds) == pytest.approx(plain, abs=1e-9)
    assert np.isnan(distance_correlation(clouds[0][:4], clouds[1][:4]))


@pytest.fixture
def compared(tmp_path: Path, comparer: Comparer) -> Comparison:
    first = small(tmp_path / "first")
    second = small(
        tmp_path / "second", change=lambda m: m.model.layers[2].mlp.down_proj.weight.mul_(3)
    )
    return Comparison(
        comparer([f"first={first}", f"second={second}", f"again={first}"], metrics=METRICS)
    )


@pytest.mark.slow
def test_tables_are_of_the_rows_and_name_the_changed_layer(compared: Comparison) -> None:
    rows = Measurements.of(compared.run).pairs()
    own = rows.predictions[(rows.predictions.model == "second") & rows.predictions.kl.notna()]
    table = compared.table("predictions")
    found = table[(table.model == "second") & table.task.isna()].iloc[0]
    tokens = np.concatenate(own.kl.tolist())
    assert found.kl == pytest.approx(own.kl.map(np.mean).mean(), rel=1e-12)
    assert found.kl_low < found.kl < found.kl_high
    assert found.kl_q95 == pytest.approx(np.quantile(tokens, 0.95), rel=1e-12)
    assert found.kl_max == tokens.max()
    delta = np.concatenate(
        [np.exp(q) - np.exp(p) for p, q in zip(own.log_p_base, own.log_p, strict=True)]
    )
    assert found.delta_p_rms == pytest.approx(np.sqrt((delta**2).mean()), rel=1e-12)
    assert found.tokens == len(tokens) == 210
    bits = own.bits_per_byte - own.bits_per_byte_base
    assert found.bits_difference == pytest.approx(bits.mean(), rel=1e-9)
    assert set(table[table.model == "second"].task.dropna()) == {"counting", "naming"}

    states = compared.table("states")
    second = states[states.model == "second"].set_index("layer")
    one, two = (compared.run.mean_states(name) for name in ("first", "second"))
    assert one is not None
    assert two is not None
    for layer in range(5):
        x, y = one.vectors[layer].astype(np.float64), two.vectors[layer].astype(np.float64)
        assert second.cka[layer] == pytest.approx(linear_cka([[x], [y]])[0, 0], abs=1e-9)
        assert second.procrustes[layer] == pytest.approx(procrustes_distance(x, y), abs=1e-9)
    assert second.distance.tolist()[:3] == [0, 0, 0]
    assert any("States of second differ from layer 3 on" in own for own in compared.findings)

    layers = compared.table("layers")
    norms = layers[(layers.model == "second") & (layers.metric == "residual_norm")]
    assert norms.set_index("layer").p_max_t[3] < 0.05
    assert norms.set_index("layer").p_max_t.loc[:2].isna().all()
    heads = compared.table("heads")
    assert set(heads[heads.model == "second"].layer) == {1, 2, 3, 4}


@pytest.mark.slow
def test_a_model_against_itself_shows_nothing(compared: Comparison) -> None:
    def own(name: str) -> Any:
        table = compared.table(name)
        return table[table.model == "again"]

    predictions, states = own("predictions"), own("states")
    assert not predictions[["kl", "kl_low", "kl_high", "kl_max", "delta_p_rms"]].to_numpy().any()
    assert not predictions[["bits_difference", "bits_difference_high"]].to_numpy().any()
    assert (predictions.same_top == 1).all()
    assert predictions.p.isna().all()
    np.testing.assert_allclose(states.cka, 1, atol=1e-6)
    np.testing.assert_allclose(states.rsa, 1, atol=1e-6)
    np.testing.assert_allclose(states.procrustes, 0, atol=1e-6)
    assert not states.distance.to_numpy().any()
    for name, column in (("metrics", "p_bh"), ("layers", "p_max_t"), ("heads", "p_bh")):
        assert not (own(name)[column] < 0.05).any()
    told = [said for said in compared.findings if said.startswith(("again", "States of again"))]
    assert "again predicts exactly what first does, at all 210 tokens." in told
    assert "States of again are those of first in every layer." in told
    assert "again differs in 0 of 3 metrics (Benjamini and Hochberg, 5 %)." in told


def test_only_runs_that_belong_to_a_comparison_have_its_tables(
    tmp_path: Path, comparer: Comparer
) -> None:
    from cortexscope.analysis import Analysis
    from cortexscope.engine import RunRequest, run

    folder = small(tmp_path / "model")
    suite = tmp_path / "small.csv"
    found = run(
        RunRequest(
            models=(f"one={folder}",), suite=suite, metrics=METRICS[:1], out=tmp_path / "plain"
        )
    )
    analysis = Analysis(found)
    assert analysis.table("compared_predictions").empty
    missing = analysis.missing("compared_states")
    assert missing is not None
    assert "`cortexscope compare` lets them read the same prompts" in missing


@pytest.mark.slow
def test_neurons_are_paired_by_number(tmp_path: Path, comparer: Comparer) -> None:
    first = small(tmp_path / "first")
    second = small(
        tmp_path / "second", change=lambda m: m.model.layers[3].mlp.up_proj.weight[5].mul_(4)
    )
    settings = Settings(batch_tokens=64, keep_neurons=True)
    found = Comparison(
        comparer([f"a={first}", f"b={second}", f"c={first}"], settings=settings)
    ).table("neurons")
    assert set(found.model) == {"b"}
    assert found[["layer", "index"]].to_numpy().tolist() == [[4, 5]]
    one, two = (Run(tmp_path / "run").mean_neurons(name) for name in "ab")
    assert one is not None
    assert two is not None
    apart = (two.vectors[3] - one.vectors[3].astype(np.float64))[:, 5]
    plain = ttest_1samp(apart, 0)
    assert found.t[0] == pytest.approx(plain.statistic, rel=1e-6)
    # Of 4 layers with 64 neurons each.
    assert found.p_bh[0] == pytest.approx(min(1, 256 * plain.pvalue), rel=1e-6)
