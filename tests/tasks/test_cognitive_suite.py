"""What the built-in suite promises."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from cortexscope.tasks import Suite, lint, load_suite, suite_names
from cortexscope.tasks._lint import near_duplicates
from cortexscope.tasks._suite import word_count

TASKS = {
    "commonsense_reasoning",
    "conversational_chat",
    "creative_writing",
    "emotional_content",
    "factual_questions",
    "instruction_following",
    "language_tasks",
    "logical_puzzles",
    "mathematical_reasoning",
    "philosophical_queries",
    "scientific_explanations",
    "technical_code",
}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("cognitive")


def test_it_is_listed() -> None:
    assert "cognitive" in suite_names()


def test_it_has_the_twelve_tasks_of_the_study(suite: Suite) -> None:
    assert {task.name for task in suite.tasks} == TASKS
    assert all(task.description for task in suite.tasks)


def test_each_task_has_as_many_prompts(suite: Suite) -> None:
    assert {len(task.prompts) for task in suite.tasks} == {42}


def test_ids_are_one_prefix_a_task_and_count_from_one(suite: Suite) -> None:
    prefixes = set()
    for task in suite.tasks:
        prefix = task.prompts[0].id.rpartition("-")[0]
        prefixes.add(prefix)
        assert [prompt.id for prompt in task.prompts] == [f"{prefix}-{k:03d}" for k in range(1, 43)]
    assert len(prefixes) == 12


def test_nothing_in_it_is_questionable(suite: Suite) -> None:
    assert lint(suite) == []


@pytest.mark.slow
def test_no_two_prompts_are_alike_within_or_across_tasks(suite: Suite) -> None:
    assert list(near_duplicates(suite.prompts, at_least=0.2)) == []


def test_every_task_spans_the_same_range_of_lengths(suite: Suite) -> None:
    for task in suite.tasks:
        words = task.words()
        assert 3 <= words.least <= 5
        assert 80 <= words.most <= 110


def test_length_does_not_tell_the_tasks_apart(suite: Suite) -> None:
    means = [sum(word_count(p.text) for p in task.prompts) / 42 for task in suite.tasks]
    assert max(means) / min(means) < 1.25


def test_the_same_number_in_two_tasks_is_about_as_long(suite: Suite) -> None:
    for row in zip(*(task.prompts for task in suite.tasks), strict=True):
        characters = sorted(len(prompt.text) for prompt in row)
        assert characters[-1] <= 2 * characters[0]


def test_lengths_begin_anew_after_fourteen_prompts(suite: Suite) -> None:
    for task in suite.tasks:
        words = [word_count(prompt.text) for prompt in task.prompts]
        for rung in range(14):
            least, *_, most = sorted(words[rung::14])
            assert most <= max(2 * least, least + 3)


def test_prompts_of_a_task_begin_differently(suite: Suite) -> None:
    for task in suite.tasks:
        starts = [tuple(prompt.text.casefold().split()[:3]) for prompt in task.prompts[14:]]
        assert len(set(starts)) == len(starts)


def test_forms_are_mixed(suite: Suite) -> None:
    for task in suite.tasks:
        asking = sum("?" in prompt.text for prompt in task.prompts)
        assert 10 <= asking <= 25


@pytest.fixture(scope="module")
def paraphrases() -> Suite:
    return load_suite("cognitive-paraphrases")


def test_each_task_has_a_paraphrase_of_every_length(suite: Suite, paraphrases: Suite) -> None:
    for task, other in zip(suite.tasks, paraphrases.tasks, strict=True):
        assert task.name == other.name
        places = {prompt.id: number % 14 for number, prompt in enumerate(task.prompts)}
        found = [places[prompt.id.removesuffix("-p")] for prompt in other.prompts]
        assert sorted(found) == list(range(14))
        assert all(prompt.id.endswith("-p") for prompt in other.prompts)


def test_a_paraphrase_is_as_long_in_other_words(suite: Suite, paraphrases: Suite) -> None:
    sources = {prompt.id: prompt for prompt in suite.prompts}
    for prompt in paraphrases.prompts:
        source = sources[prompt.id.removesuffix("-p")]
        length = word_count(source.text)
        assert abs(word_count(prompt.text) - length) <= max(2, 0.15 * length)
        assert list(near_duplicates([source, prompt], at_least=0.35)) == []


def test_nothing_in_the_paraphrases_is_questionable(paraphrases: Suite) -> None:
    assert lint(paraphrases) == []


def test_each_of_its_files_is_a_suite_of_its_own(suite: Suite) -> None:
    found = importlib.util.find_spec("cortexscope.tasks")
    assert found is not None
    assert found.origin is not None
    for file in sorted((Path(found.origin).parent / "cognitive").iterdir()):
        alone = load_suite(file)
        assert [task.name for task in alone.tasks] == [file.stem]
        assert alone == suite.select([file.stem])
