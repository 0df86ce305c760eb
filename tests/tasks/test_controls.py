"""Controls are made from their prompts alone, linked to them, and the same for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.records import Prompt
from cortexscope.tasks import (
    CONTROLS,
    Suite,
    Task,
    load_suite,
    paraphrases_of,
    random_tokens,
    shuffled,
    with_controls,
)


def suite_of(*texts: str) -> Suite:
    prompts = tuple(Prompt(f"p-{k}", "sums", text) for k, text in enumerate(texts))
    return Suite("mine", "1", (Task("sums", "", prompts),))


@given(st.text(alphabet="ab c\n.", max_size=30), st.text(max_size=5))
def test_shuffling_moves_words_and_nothing_else(text: str, seed: str) -> None:
    mixed = shuffled(text, seed=seed)
    if len(set(text.split())) < 2:
        assert mixed is None
        return
    assert mixed is not None
    assert mixed.split() != text.split()
    assert Counter(mixed.split()) == Counter(text.split())
    assert len(mixed) == len(text)
    assert mixed == shuffled(text, seed=seed)


def test_an_order_is_the_same_for_ever() -> None:
    # Reproducing a run relies on this; a change here needs another name for the control.
    assert shuffled("one two three four", seed="a") == "two three one four"
    assert random_tokens([1, 2, 3], allowed=range(1000), keep=frozenset(), seed="a") == (
        681,
        674,
        625,
    )


def test_orders_differ_between_prompts() -> None:
    text = " ".join(map(str, range(12)))
    assert len({shuffled(text, seed=f"p-{k}") for k in range(50)}) == 50


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), max_size=8), st.text(max_size=3))
def test_random_tokens_keep_their_number_and_special_ones(ids: list[int], seed: str) -> None:
    keep = frozenset({0, 1})
    drawn = random_tokens(ids, allowed=[20, 21, 22], keep=keep, seed=seed)
    assert len(drawn) == len(ids)
    for before, after in zip(ids, drawn, strict=True):
        assert after == before if before in keep else after in (20, 21, 22)


def test_every_token_is_about_equally_likely() -> None:
    drawn = random_tokens(range(10, 6010), allowed=range(6), keep=frozenset(), seed="x")
    counts = Counter(drawn)
    assert all(900 < counts[token] < 1100 for token in range(6))


def test_controls_follow_their_prompt_and_name_it() -> None:
    found = with_controls(suite_of("What is 1 plus 1?", "Sum"), ["shuffled", "random"]).prompts
    assert [(p.id, p.control, p.origin) for p in found] == [
        ("p-0", None, None),
        ("p-0~shuffled", "shuffled", "p-0"),
        ("p-0~random", "random", "p-0"),
        ("p-1", None, None),
        ("p-1~random", "random", "p-1"),
    ]
    assert [p.cluster for p in found] == ["p-0"] * 3 + ["p-1"] * 2


def test_the_built_in_suite_has_every_control() -> None:
    suite = load_suite("cognitive")
    found = with_controls(suite, CONTROLS, paraphrases=paraphrases_of(suite))
    counts = Counter(prompt.control for prompt in found.prompts)
    assert counts == {None: 504, "paraphrase": 168, "shuffled": 504, "random": 504}
    for task in found.tasks:
        assert sum(p.control == "paraphrase" for p in task.prompts) == 14


def test_a_selection_of_tasks_takes_only_their_paraphrases() -> None:
    suite = load_suite("cognitive").select("logical_puzzles")
    found = with_controls(suite, ["paraphrase"], paraphrases=paraphrases_of(suite))
    assert {p.task for p in found.prompts} == {"logical_puzzles"}
    assert len(found.prompts) == 42 + 14


def test_every_paraphrase_is_of_a_prompt_of_the_same_task() -> None:
    tasks = {p.id: p.task for p in load_suite("cognitive").prompts}
    for prompt in load_suite("cognitive-paraphrases").prompts:
        assert prompt.control == "paraphrase"
        assert tasks[str(prompt.origin)] == prompt.task


def test_controls_change_the_hash_and_their_absence_does_not() -> None:
    suite = suite_of("What is 1 plus 1?")
    assert with_controls(suite, []).hash == suite.hash
    assert with_controls(suite, ["random"]).hash != suite.hash


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'shuffled'"):
        with_controls(suite_of("a b"), ["shufled"])
    with pytest.raises(UsageError, match="'mine' has no paraphrases; write some"):
        with_controls(suite_of("a b"), ["paraphrase"])


@pytest.mark.parametrize("ending", ["yaml", "csv", "jsonl"])
def test_a_suite_of_ones_own_names_its_paraphrases(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"s.{ending}"
    texts = {
        "yaml": 'name: s\nversion: "1"\ntasks: {sums: {prompts: ['
        "{id: a, text: one and one}, {id: b, text: one plus one, paraphrase_of: a}]}}",
        "csv": "task,id,text,paraphrase_of\nsums,a,one and one,\nsums,b,one plus one,a\n",
        "jsonl": '{"task": "sums", "id": "a", "text": "one and one"}\n'
        '{"task": "sums", "id": "b", "text": "one plus one", "paraphrase_of": "a"}\n',
    }
    file.write_text(texts[ending], encoding="utf-8")
    suite = load_suite(file)
    assert [(p.control, p.cluster) for p in suite.prompts] == [(None, "a"), ("paraphrase", "a")]
    ids = [p.id for p in with_controls(suite, ["paraphrase", "random"]).prompts]
    assert ids == ["a", "a~random", "b"]


def test_wrong_origins_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    head = "task,id,text,paraphrase_of\n"
    for rows, said in (
        ("sums,a,one,\nother,b,two,a\n", "has the task 'sums'; make them agree"),
        ("sums,a,one,\nsums,b,two,a\nsums,c,three,b\n", "name 'a' for both"),
        ("sums,a,one,a\n", "s.csv:2: prompt 'a' is said to be a paraphrase of itself"),
    ):
        file.write_text(head + rows, encoding="utf-8")
        with pytest.raises(SuiteError, match=said):
            load_suite(file)
