"""Questions with answers."""

from __future__ import annotations

from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]

SHAPES = (
    Shape(
        title="TruthfulQA",
        needs=frozenset({"Question", "Best Answer", "Category"}),
        fields=columns(text="Question", target="Best Answer", task="Category"),
        uses=frozenset({"Correct Answers", "Incorrect Answers", "Source"}),
    ),
    Shape(
        title="TruthfulQA",
        needs=frozenset({"question", "best_answer", "category"}),
        fields=columns(text="question", target="best_answer", task="category"),
        uses=frozenset({"correct_answers", "incorrect_answers", "source"}),
    ),
    Shape(
        title="questions with answers, as GSM8K",
        needs=frozenset({"question", "answer"}),
        fields=columns(
            text="question", target="answer", task="task", id="id", paraphrase_of="paraphrase_of"
        ),
        fits=lambda row: isinstance(row["question"], str) and "choices" not in row,
    ),
)
