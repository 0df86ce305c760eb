"""A run reads controls beside their prompts, and keeps them out of what is said of the tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cortexscope.engine import RunRequest, run
from cortexscope.errors import UsageError
from cortexscope.profiles import profile
from cortexscope.report import build_tables
from cortexscope.store import Run


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("suites") / "mine.csv"
    file.write_text(
        "task,id,text,paraphrase_of\n"
        "sums,a,one and two and three,\n"
        "sums,b,what do four and five make,\n"
        "sums,a-p,three and two and one,a\n"
        "words,c,say the word again and again,\n"
        "words,d,go,\n",
        encoding="utf-8",
    )
    return file


METRICS = ("attention_entropy", "residual_norm", "cosine_across", "study.attention_entropy")


@pytest.fixture(scope="module")
def plain(tiny_folder: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    lines = [line for line in suite.read_text(encoding="utf-8").splitlines() if ",a-p," not in line]
    bare = tmp_path_factory.mktemp("suites") / "bare.csv"
    bare.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path_factory.mktemp("runs") / "plain"
    return RunRequest(models=(f"tiny={tiny_folder}",), suite=bare, out=out, metrics=METRICS)


@pytest.fixture(scope="module")
def without(plain: RunRequest) -> Run:
    return run(plain)


@pytest.fixture(scope="module")
def controlled(plain: RunRequest, suite: Path) -> Run:
    asked = replace(
        plain,
        suite=suite,
        out=plain.out.parent / "controlled",
        controls=("paraphrase", "shuffled", "random"),
    )
    return run(asked)


def test_every_control_is_read_and_linked(controlled: Run) -> None:
    prompts = controlled.prompts().set_index("prompt_id")
    assert prompts["control"].fillna("").to_dict() == {
        "a": "", "a~shuffled": "shuffled", "a~random": "random", "a-p": "paraphrase",
        "b": "", "b~shuffled": "shuffled", "b~random": "random",
        "c": "", "c~shuffled": "shuffled", "c~random": "random",
        "d": "", "d~random": "random",
    }  # fmt: skip
    assert (
        prompts["origin"].dropna() == [i.split("~")[0][0] for i in prompts["origin"].dropna().index]
    ).all()
    assert set(controlled.control_ids()) == {i for i in prompts.index if len(i) > 1}
    read = set(controlled.measurements(controls=True)["prompt_id"].dropna())
    assert read == set(prompts.index)


def test_random_tokens_are_as_many_and_others(controlled: Run) -> None:
    frame = controlled.measurements(metrics=["attention_entropy"], controls=True)
    tokens = frame.drop_duplicates("prompt_id").set_index("prompt_id")["n_tokens"]
    for name in "abcd":
        assert tokens[f"{name}~random"] == tokens[name]
    values = frame.groupby("prompt_id")["value"].mean()
    assert values["a~random"] != pytest.approx(values["a"])


def test_tables_and_tasks_are_those_of_the_prompts_alone(without: Run, controlled: Run) -> None:
    keys = ["metric", "task", "prompt_id", "layer", "head", "index"]
    left = without.measurements().sort_values(keys).reset_index(drop=True)
    right = controlled.measurements().sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(left, right, rtol=1e-5, atol=1e-7)
    assert right["prompt_id"].isna().any()
    for before, after in zip(build_tables(without), build_tables(controlled), strict=True):
        if before.key == "task_effects":
            # Tests of a run count a prompt's paraphrases with it, as `cortexscope stats` does.
            continue
        pd.testing.assert_frame_equal(before.frame, after.frame, rtol=1e-4, atol=1e-6)


def test_paraphrases_alone_are_prompts_like_others(plain: RunRequest, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(
        "task,id,text,paraphrase_of\nsums,a-p,three and two,a\nsums,b-p,four and five,b\n",
        encoding="utf-8",
    )
    found = run(replace(plain, suite=file, out=tmp_path / "run"))
    assert set(found.measurements()["prompt_id"].dropna()) == {"a-p", "b-p"}


def test_a_suite_without_paraphrases_says_so(plain: RunRequest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no paraphrases"):
        run(replace(plain, out=tmp_path / "run", controls=("paraphrase",)))
    assert not (tmp_path / "run").exists()


def test_a_profile_gives_controls_when_asked(tiny_folder: Path, suite: Path) -> None:
    found = profile(
        f"tiny={tiny_folder}",
        suite,
        controls=["random"],
        metrics=["residual_norm"],
        tasks=["words"],
    )
    assert set(found.frame()["prompt_id"]) == {"c", "d"}
    assert set(found.frame(controls=True)["prompt_id"]) == {"c", "d", "c~random", "d~random"}
