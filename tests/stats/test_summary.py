"""A summary's numbers are those of pandas, numpy and scipy on each cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cortexscope.errors import UsageError
from cortexscope.stats._interval import interval
from cortexscope.stats._power import prompts_needed
from cortexscope.stats._summary import summary


def frame_of(n: int = 12) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    numbers = np.arange(2 * n)
    frames = [
        pd.DataFrame(
            {
                "model": model, "task": np.repeat(["maths", "poems"], n),
                "prompt_id": numbers.astype(str), "cluster": numbers.astype(str),
                "value": generator.gamma(2.0, size=2 * n),
            }
        )
        for model in ("b", "a")
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_each_cell_is_described_by_itself() -> None:
    frame = frame_of()
    table = summary(frame, rng=np.random.default_rng(1))
    assert list(zip(table["model"], table["task"], strict=True)) == [
        ("a", "maths"), ("a", "poems"), ("b", "maths"), ("b", "poems"),
    ]  # fmt: skip
    cells = frame.groupby(["model", "task"])["value"]
    assert table["mean"].to_numpy() == pytest.approx(cells.mean().to_numpy())
    assert table["sd"].to_numpy() == pytest.approx(cells.std().to_numpy())
    assert table["median"].to_numpy() == pytest.approx(cells.median().to_numpy())
    trimmed = [stats.trim_mean(values, 0.2) for _, values in cells]
    assert table["trimmed_mean"].to_numpy() == pytest.approx(trimmed)
    assert table["n"].tolist() == table["n_clusters"].tolist() == [12] * 4
    skewed = [25 * stats.skew(values) ** 2 >= 12 for _, values in cells]
    assert table["caution"].notna().tolist() == skewed
    assert table["reason"].isna().all()
    for low, value, high in (
        ("low", "mean", "high"),
        ("median_low", "median", "median_high"),
        ("trimmed_low", "trimmed_mean", "trimmed_high"),
    ):
        assert (table[low] < table[value]).all()
        assert (table[value] < table[high]).all()


def test_the_first_interval_is_that_of_its_cell() -> None:
    frame = frame_of()
    table = summary(frame, rng=np.random.default_rng(1))
    cell = frame.query("model == 'a' and task == 'maths'")["value"].to_numpy()
    found = interval(cell[np.argsort(np.arange(12).astype(str))], rng=np.random.default_rng(1))
    assert (table["low"][0], table["high"][0]) == (found.low, found.high)
    assert str(found.method) in str(table["method"][0])


def test_paraphrases_are_averaged_and_counted() -> None:
    frame = frame_of(2).query("model == 'a' and task == 'maths'")
    values = frame["value"].to_numpy()
    again = frame.iloc[[0]].assign(prompt_id="0-para", value=values[0] + 2)
    row = summary(pd.concat([frame, again]), rng=np.random.default_rng(0)).iloc[0]
    assert (row["n"], row["n_clusters"]) == (3, 2)
    assert row["mean"] == pytest.approx(values.mean() + 0.5)
    assert row["sd"] == pytest.approx(np.std([values[0] + 1, values[1]], ddof=1))


def test_too_few_prompts_bring_a_caution_with_the_number_needed() -> None:
    row = summary(frame_of(2), rng=np.random.default_rng(0)).iloc[0]
    assert row["caution"].startswith("2 independent prompts are too few")
    assert f"{prompts_needed(0.8, paired=False)} each" in row["caution"]
    assert "2 prompts are too few for the interval of a median" in row["reason"]
    assert np.isnan(row["median_low"])
    expected = stats.t.interval(0.95, 1, row["mean"], row["sd"] / np.sqrt(2))
    assert (row["low"], row["high"]) == pytest.approx(expected)


def test_a_cell_without_values_is_undefined_and_says_so() -> None:
    frame = frame_of()
    frame.loc[(frame["model"] == "b") & (frame["task"] == "poems"), "value"] = np.nan
    row = summary(frame, rng=np.random.default_rng(0)).iloc[3]
    assert row[["mean", "sd", "low", "median", "trimmed_high"]].isna().all()
    assert row["n"] == 0
    assert row["reason"] == "no prompt has a value"


def test_frames_that_cannot_be_summarised_are_named() -> None:
    with pytest.raises(UsageError, match="lacks the columns cluster"):
        summary(frame_of().drop(columns="cluster"), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="twice"):
        summary(pd.concat([frame_of(), frame_of()]), rng=np.random.default_rng(0))
