"""Questions with choices, as lm-eval puts them to a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cortexscope.tasks._filters import FILTERS, Absent, is_list, written
from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]


def _mmlu(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    # https://github.com/EleutherAI/lm-evaluation-harness, tasks/mmlu/default
    lines = [
        written(row.get("question")).strip(),
        FILTERS["letters"](row.get("choices")),
        "Answer:",
    ]
    text = "\n".join(map(str, lines))
    subject = row.get("subject")
    if isinstance(subject, str) and subject.strip():
        about = subject.replace("_", " ")
        text = (
            f"The following are multiple choice questions (with answers) about {about}.\n\n{text}"
        )
    return {**row, "text": text}


def _arc(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    question, choices = row.get("question"), row.get("choices")
    if isinstance(question, Mapping):  # as its authors' own files have it
        listed = question.get("choices") or []
        choices = {key: [each.get(key) for each in listed] for key in ("text", "label")}
        question = question.get("stem")
    return {**row, "question": question, "choices": choices}


def _hellaswag(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    about, first, second = (written(row.get(key)) for key in ("activity_label", "ctx_a", "ctx_b"))
    endings = row.get("endings")
    return {
        **row,
        "text": _plain(f"{about}: {first} {second.capitalize()}"),
        "endings": [_plain(written(each)) for each in endings] if is_list(endings) else endings,  # type: ignore[union-attr]
    }


def _plain(text: str) -> str:
    """Return a text of WikiHow without the marks of its titles, as lm-eval reads it."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _winogrande(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    sentence = written(row.get("sentence"))
    ahead, gap, behind = sentence.partition("_")
    if not gap:
        raise Absent("the sentence has no gap '_'")
    options = [row.get("option1"), row.get("option2")]
    chosen = FILTERS["at"](options, row.get("answer"), 1) if row.get("answer") else ""
    return {**row, "text": (ahead + written(chosen)).rstrip(), "rest": behind.strip()}


SHAPES = (
    Shape(
        title="HellaSwag",
        needs=frozenset({"ctx_a", "ctx_b", "endings", "activity_label"}),
        fields=columns(text="text", target="endings:at(label)"),
        shown={"text": "activity_label, ctx_a and ctx_b"},
        uses=frozenset({"ind", "ctx", "ctx_a", "ctx_b", "endings", "label"}),
        prepare=_hellaswag,
    ),
    Shape(
        title="WinoGrande",
        needs=frozenset({"sentence", "option1", "option2"}),
        fields=columns(text="text", target="rest", id="qID"),
        shown={
            "text": "sentence up to the gap, with the right option in it",
            "target": "what follows it",
        },
        uses=frozenset({"sentence", "option1", "option2", "answer"}),
        prepare=_winogrande,
    ),
    Shape(
        title="ARC",
        needs=frozenset({"question", "choices", "answerKey"}),
        fields=columns(
            text="Question: {question}\nAnswer:",
            target="choices.text:matching(choices.label, answerKey)",
            id="id",
        ),
        uses=frozenset({"choices", "answerKey"}),
        fits=lambda row: isinstance(row["choices"], Mapping),
    ),
    Shape(
        title="ARC",
        needs=frozenset({"question", "answerKey"}),
        fields=columns(
            text="Question: {question}\nAnswer:",
            target="choices.text:matching(choices.label, answerKey)",
            id="id",
        ),
        shown={"target": "the choice of answerKey"},
        uses=frozenset({"choices", "answerKey"}),
        fits=lambda row: isinstance(row["question"], Mapping),
        prepare=_arc,
    ),
    Shape(
        title="MMLU",
        needs=frozenset({"question", "choices", "answer"}),
        fields=columns(text="text", target="answer:letter", task="subject"),
        shown={"text": "subject, question and choices"},
        uses=frozenset({"question", "choices", "answer"}),
        fits=lambda row: is_list(row["choices"]),
        prepare=_mmlu,
    ),
)
