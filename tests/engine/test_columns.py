"""A suite's own columns reach the run folder, and the statistics, through a real run."""

from __future__ import annotations

from pathlib import Path

import datasets
import pandas as pd
import pytest

import cortexscope
from cortexscope.engine import Settings
from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task

METRICS = ["attention_entropy_normalized", "residual_norm"]


def suite(*, hard: bool) -> Suite:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    tasks = []
    for task in ("counting", "naming"):
        prompts = []
        for number in range(8):
            text = " ".join(words[(number + i) % 8] for i in range(3 + number))
            own = {"hard": number % 2 == 0, "kind": task, "grade": number / 2}
            prompts.append(Prompt(f"{task}-{number}", task, text, attributes=own if hard else {}))
        tasks.append(Task(task, "", tuple(prompts)))
    return Suite("own", "1", tuple(tasks))


@pytest.mark.slow
def test_a_run_has_the_columns_of_its_suite(tiny_folder: Path, tmp_path: Path) -> None:
    asked = suite(hard=True)
    profile = cortexscope.profile(
        f"tiny={tiny_folder}", asked, metrics=METRICS, controls=["shuffled"], out=tmp_path / "run",
        settings=Settings(keep_states=False), selfcheck=False,
    )  # fmt: skip
    prompts = profile.prompts().set_index("prompt_id")
    for prompt in asked.prompts:
        assert dict(prompt.attributes) == {
            name: prompts.loc[prompt.id, f"attributes.{name}"] for name in prompt.attributes
        }
        made = f"{prompt.id}~shuffled"
        assert prompts.loc[made, "attributes.hard"] == prompt.attributes["hard"]
    tasks, kinds = profile.statistics(), profile.statistics(by="kind")
    words = ["method", "family", "reason"]
    assert tasks.drop(columns=words).equals(kinds.drop(columns=words))
    assert len(profile.statistics("slopes", by="grade")) == 4
    bare = suite(hard=False)
    assert bare.hash == asked.hash
    again = cortexscope.profile(
        f"tiny={tiny_folder}", bare, metrics=METRICS, controls=["shuffled"], out=tmp_path / "run",
        settings=Settings(keep_states=False), selfcheck=False, resume=True,
    )  # fmt: skip
    assert len(again.prompts().columns) == 7
    assert again.frame().equals(profile.frame())


@pytest.mark.slow
def test_a_frame_a_data_set_and_a_file_of_the_same_rows_give_the_same(
    tiny_folder: Path, tmp_path: Path
) -> None:
    rows = [
        {"n": f"r-{number}", "frage": "one two three four"[: 3 + 5 * (number % 3)], "k": number}
        for number in range(6)
    ]
    frame = pd.DataFrame(rows)
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    held = [
        frame,
        datasets.Dataset.from_list(rows),
        tmp_path / "rows.parquet",
        tmp_path / "rows.csv",
    ]
    profiles = [
        cortexscope.profile(
            f"tiny={tiny_folder}",
            each,
            columns="text=frage,id=n,k",
            metrics=METRICS,
            settings=Settings(keep_states=False),
            selfcheck=False,
        )
        for each in held
    ]
    first = profiles[0]
    for other in profiles[1:]:
        ours, theirs = (each.frame().drop(columns="task") for each in (first, other))
        assert ours.equals(theirs)
        assert list(first.prompts()["attributes.k"]) == list(other.prompts()["attributes.k"])
