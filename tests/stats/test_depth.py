"""Contrasts along depth and over heads find where tasks and models part, as scipy has them."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cortexscope.errors import UsageError
from cortexscope.stats._depth import layer_contrasts, map_contrasts


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def welch(x: Any, y: Any) -> Any:
    return stats.ttest_ind(x, y, equal_var=False)


def layered(generator: np.random.Generator, *, heads: int = 1) -> pd.DataFrame:
    """Return values at 6 layers, of which the last two tell the tasks and the models apart."""
    numbers = np.arange(18)
    second = numbers >= 9
    rows = []
    for model in range(2):
        prompts = 0.7 * generator.normal(size=18)
        for layer, head in product(range(6), range(heads)):
            step = (layer >= 4) * (2.0 * second + 1.5 * model)
            rows.append(
                pd.DataFrame(
                    {
                        "model": f"m{model}", "task": np.where(second, "t1", "t0"),
                        "prompt_id": [f"p{number}" for number in numbers],
                        "cluster": [f"p{number}" for number in numbers],
                        "layer": layer, "head": head,
                        "value": prompts + step + 0.3 * generator.normal(size=18),
                    }
                )
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_layers_that_tell_two_tasks_apart_are_found_along_depth() -> None:
    frame = layered(rng(9)).query("model == 'm0'")
    table = layer_contrasts(frame, "t1", "t0", by="task", rng=rng())
    assert table["layer"].tolist() == list(range(6))
    assert (table["p_max_t"] <= 0.05).tolist() == [False] * 4 + [True] * 2
    assert (table["p_max_t"] >= table["p"]).all()
    last = frame.query("layer == 5").groupby("task")["value"]
    assert table["difference"].iloc[-1] == pytest.approx(last.mean()["t1"] - last.mean()["t0"])
    assert (table["low"] < table["difference"]).all()
    expected = welch(last.get_group("t1"), last.get_group("t0")).statistic
    assert table["t"].iloc[-1] == pytest.approx(expected)


def test_layers_that_tell_two_models_apart_are_found_along_depth() -> None:
    frame = layered(rng(10))
    table = layer_contrasts(frame, "m1", "m0", by="model", rng=rng())
    assert (table["p_max_t"] <= 0.05).tolist() == [False] * 4 + [True] * 2
    wide = frame.query("layer == 2").pivot(index="prompt_id", columns="model", values="value")
    paired = stats.ttest_rel(wide["m1"], wide["m0"])
    assert table["t"].iloc[2] == pytest.approx(paired.statistic)
    assert table["n_a"].tolist() == [18] * 6


def test_a_map_of_heads_is_adjusted_by_benjamini_and_hochberg() -> None:
    frame = layered(rng(11), heads=3).query("model == 'm0'")
    table = map_contrasts(frame, "t1", "t0", by="task", rng=rng(), permutations=2000)
    assert len(table) == 18
    assert table["p_bh"].to_numpy() == pytest.approx(stats.false_discovery_control(table["p"]))
    assert set(table.loc[table["p_bh"] <= 0.01, "layer"]) == {4, 5}


def test_two_models_of_different_depth_are_compared_where_both_have_layers() -> None:
    frame = layered(rng(12)).query("model == 'm0' or layer < 4")
    table = layer_contrasts(frame, "m0", "m1", by="model", rng=rng(), permutations=50)
    assert table["layer"].tolist() == [0, 1, 2, 3]


def test_what_cannot_be_compared_is_named() -> None:
    frame = layered(rng(13))
    with pytest.raises(UsageError, match="no task 'nothing'"):
        layer_contrasts(frame, "t0", "nothing", by="task", rng=rng())
    with pytest.raises(UsageError, match="one model"):
        layer_contrasts(frame, "t0", "t1", by="task", rng=rng())
    with pytest.raises(UsageError, match="lacks the columns head"):
        map_contrasts(frame.drop(columns="head"), "m0", "m1", by="model", rng=rng())
    parted = frame.assign(layer=frame["layer"] + 10 * (frame["model"] == "m1"))
    with pytest.raises(UsageError, match="in common"):
        layer_contrasts(parted, "m0", "m1", by="model", rng=rng())
    with pytest.raises(UsageError, match="twice"):
        layer_contrasts(layered(rng(13), heads=2), "m0", "m1", by="model", rng=rng())
