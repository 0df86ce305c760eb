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
    assert {len(task.prompts) for task in suite.tasks} == {14}


def test_ids_are_one_prefix_a_task_and_count_from_one(suite: Suite) -> None:
    prefixes = set()
    for task in suite.tasks:
        prefix = task.prompts[0].id.rpartition("-")[0]
        prefixes.add(prefix)
        assert [prompt.id for prompt in task.prompts] == [f"{prefix}-{k:03d}" for k in range(1, 15)]
    assert len(prefixes) == 12


def test_nothing_in_it_is_questionable(suite: Suite) -> None:
    assert lint(suite) == []


def test_no_two_prompts_are_alike_within_or_across_tasks(suite: Suite) -> None:
    assert list(near_duplicates(suite.prompts, at_least=0.2)) == []


def test_every_task_spans_the_same_range_of_lengths(suite: Suite) -> None:
    for task in suite.tasks:
        words = task.words()
        assert 3 <= words.least <= 5
        assert 80 <= words.most <= 110


def test_length_does_not_tell_the_tasks_apart(suite: Suite) -> None:
    means = [sum(word_count(p.text) for p in task.prompts) / 14 for task in suite.tasks]
    assert max(means) / min(means) < 1.25


def test_the_same_number_in_two_tasks_is_about_as_long(suite: Suite) -> None:
    for row in zip(*(task.prompts for task in suite.tasks), strict=True):
        characters = sorted(len(prompt.text) for prompt in row)
        assert characters[-1] <= 2 * characters[0]


def test_each_of_its_files_is_a_suite_of_its_own(suite: Suite) -> None:
    found = importlib.util.find_spec("cortexscope.tasks")
    assert found is not None
    assert found.origin is not None
    for file in sorted((Path(found.origin).parent / "cognitive").iterdir()):
        alone = load_suite(file)
        assert [task.name for task in alone.tasks] == [file.stem]
        assert alone == suite.select([file.stem])
