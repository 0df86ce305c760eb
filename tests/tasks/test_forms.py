"""Questions, instructions and passages are told apart, and a task of one form only is named."""

from __future__ import annotations

import pytest

from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task, form_of, forms, lint, load_suite, with_controls


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Who painted Guernica?", "question"),
        ('"Is it?" asked Ann.', "question"),
        ("Write a poem.", "instruction"),
        ("Please, write a poem.", "instruction"),
        ("Three eggs are left. Now compute the price.", "instruction"),
        ("Sorting them:\nList all of them.", "instruction"),
        ("The writer listed all of them.", "passage"),
        ("see https://example.org/?a=1 for more", "passage"),
        ("12, 14, 16", "passage"),
    ],
)
def test_the_form_of_a_text(text: str, form: str) -> None:
    assert form_of(text) == form


def test_controls_are_not_counted() -> None:
    suite = load_suite("cognitive-study")
    assert forms(with_controls(suite, ["random", "shuffled"])) == forms(suite)


def test_a_task_of_another_form_than_the_rest_is_a_warning() -> None:
    words = [
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

    def task(name: str, template: str) -> Task:
        return Task(
            name,
            "",
            tuple(Prompt(f"{name}-{w}", name, template.format(w, w[::-1])) for w in words),
        )

    questions = task("asked", "Why do {0} and {1} exist at all?")
    mixed = Task("mixed", "", (*task("mixed", "The {0} of {1} were sold.").prompts[:5],
                 *task("mixed", "Of which {1} do {0} remind us?").prompts[5:]))  # fmt: skip
    orders = task("told", "Describe what {0} and {1} exist for.")
    suite = Suite("s", "1", (questions, orders))
    found = {finding.where: finding.message for finding in lint(suite)}
    assert set(found) == {"asked", "told"}
    assert "100% of its prompts are questions and 0% of the others'" in found["asked"]
    assert "instructions" in found["told"]
    assert lint(Suite("s", "1", (questions, mixed))) == []


def test_texts_that_hold_their_answer_are_a_warning() -> None:
    def said(text: str, target: str | None = None) -> list[str]:
        prompt = Prompt("p", "sums", text, target=target)
        found = lint(Suite("s", "1", (Task("sums", "", (prompt,)),)))
        return [f.message for f in found if "answer" in f.message or "target" in f.message]

    assert len(said("What is 1 plus 1?\nAnswer: 2")) == 1
    assert len(said("The bell rang at noon. When did it ring?", "The bell rang at noon.")) == 1
    assert said("Is the review positive or negative?\nAnswer:", "positive") == []
    assert said("What does the answer mean?") == []
