"""Lint names what loads and is still questionable, and nothing else."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.records import Prompt
from cortexscope.tasks import Finding, Suite, Task, lint
from cortexscope.tasks._lint import _shingles, near_duplicates

TOPICS = [
    "rivers",
    "clocks",
    "wolves",
    "maps",
    "bells",
    "kites",
    "coins",
    "ferns",
    "moons",
    "ships",
]


def task_of(name: str, texts: list[str]) -> Task:
    prompts = tuple(
        Prompt(id=f"{name}-{k:03d}", task=name, text=text, source=f"s.yaml:{k}")
        for k, text in enumerate(texts, start=1)
    )
    return Task(name, "", prompts)


def findings(*extra: str) -> list[Finding]:
    texts = [f"Tell me about {topic}, and why {topic} matter." for topic in TOPICS]
    return lint(Suite("s", "1", (task_of("t", [*texts, *extra]),)))


def test_a_sound_suite_has_no_findings() -> None:
    assert findings() == []


def test_the_same_text_twice_is_an_error_that_names_both_places() -> None:
    (found,) = findings("tell me about RIVERS and why rivers matter")
    assert found.level == "error"
    assert found.where == "t-011 (s.yaml:11)"
    assert "t-001 (s.yaml:1)" in found.message


def test_a_text_that_is_nearly_another_is_a_warning() -> None:
    (found,) = findings("Please tell me about wolves, and why wolves matter.")
    assert (found.level, found.where) == ("warning", "t-011 (s.yaml:11)")
    assert "t-003" in found.message


def test_errors_come_first() -> None:
    assert [found.level for found in findings("  Hm", " Hm", "Hm ")][:3] == ["error"] * 3


def test_white_space_short_texts_and_control_characters_are_warnings() -> None:
    for text, said in [
        ("How do glaciers move? ", "white space"),
        ("Go on.", "fewer than 10 characters"),
        ("How do \x1b[31mglaciers move?", "control characters"),
    ]:
        (found,) = findings(text)
        assert (found.level, found.where) == ("warning", "t-011 (s.yaml:11)")
        assert said in found.message


def test_a_task_with_few_prompts_is_a_warning() -> None:
    (found,) = lint(Suite("s", "1", (task_of("t", ["Where do rivers begin?"]),)))
    assert (found.level, found.where) == ("warning", "t")
    assert "1 prompt," in found.message


def test_uneven_lengths_between_tasks_are_a_warning_in_words_or_tokens() -> None:
    short = task_of("short", [f"So many {topic} exist at all" for topic in TOPICS])
    long = task_of(
        "long", [f"{topic} {topic[::-1]} {topic[1:]} {topic[2:]} went on" * 2 for topic in TOPICS]
    )
    suite = Suite("s", "1", (short, long))
    (found,) = lint(suite)
    assert found.where == "s"
    assert "from 6 words (short) to 11 (long)" in found.message
    even = {prompt.id: 9 for prompt in suite.prompts}
    assert lint(suite, even) == []
    uneven = {prompt.id: 5 if prompt.task == "long" else 50 for prompt in suite.prompts}
    (found,) = lint(suite, uneven)
    assert "from 5 tokens (long) to 50 (short)" in found.message


def test_texts_without_letters_can_be_compared() -> None:
    assert [found.level for found in findings("?!?!?!?!?!?!", "..........")] == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("ab c", min_size=1, max_size=14), min_size=2, max_size=12),
    st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]),
)
def test_no_similar_pair_is_missed(texts: list[str], at_least: float) -> None:
    prompts = task_of("t", texts).prompts
    found = {(a.id, b.id) for a, b, _ in near_duplicates(prompts, at_least=at_least)}
    expected = set()
    for one, other in combinations(prompts, 2):
        a, b = _shingles(one.text), _shingles(other.text)
        if len(a & b) / len(a | b) >= at_least:
            expected.add((one.id, other.id))
    assert found == expected


def test_a_finding_reads_as_one_line() -> None:
    assert str(Finding("warning", "t", "few prompts.")) == "warning: t: few prompts."
