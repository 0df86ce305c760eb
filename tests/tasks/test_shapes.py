"""Files as people have them are read without an option, and as their usual harness reads them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cortexscope.errors import SuiteError
from cortexscope.records import Prompt, Turn
from cortexscope.tasks import Suite, load_suite

Row = Mapping[str, Any]


def suite_of(folder: Path, rows: list[Row], name: str = "mine.jsonl") -> Suite:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_suite(file)


def only(folder: Path, row: Row, name: str = "mine.jsonl") -> Prompt:
    (prompt,) = suite_of(folder, [row], name).prompts
    return prompt


MMLU = {
    "question": " Which of these is a prime? ",
    "subject": "high_school_maths",
    "choices": ["9", "11", "15", "21"],
    "answer": 1,
}
MMLU_SENT = """The following are multiple choice questions (with answers) about high school maths.

Which of these is a prime?
A. 9
B. 11
C. 15
D. 21
Answer:"""

HELLASWAG = {
    "ind": 4,
    "activity_label": "Baking bread",
    "ctx_a": "[header] How to bake [title] Knead the dough  well.",
    "ctx_b": "she",
    "ctx": "unused",
    "endings": ["[step] puts it into the oven.", "sings  loudly."],
    "source_id": "wiki~1",
    "split": "val",
    "split_type": "indomain",
    "label": "0",
}

SHAPES: dict[str, tuple[Row, Row]] = {
    "gsm8k": (
        {"question": "Ann has 3 pears and buys 4. How many?", "answer": "3+4=7\n#### 7"},
        {"text": "Ann has 3 pears and buys 4. How many?", "target": "3+4=7\n#### 7"},
    ),
    "truthfulqa": (
        {
            "type": "Adversarial",
            "category": "Law: Space",
            "question": "Who owns the moon?",
            "best_answer": "Nobody does.",
            "correct_answers": ["Nobody does.", "No one"],
            "incorrect_answers": ["I do."],
            "source": "https://example.org",
        },
        {
            "text": "Who owns the moon?",
            "target": "Nobody does.",
            "task": "Law: Space",
            "attributes": {"type": "Adversarial"},
        },
    ),
    "humaneval": (
        {
            "task_id": "HumanEval/3",
            "prompt": "def add(a, b):\n    ",
            "canonical_solution": "    return a + b\n",
            "test": "assert add(1, 2) == 3",
            "entry_point": "add",
        },
        {"text": "def add(a, b):\n    ", "id": "HumanEval/3", "target": "    return a + b\n"},
    ),
    "mbpp": (
        {
            "task_id": 7,
            "text": "Write a function that adds two numbers.",
            "code": "def add(a, b):\n    return a + b",
            "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"],
        },
        {
            "text": "Write a function that adds two numbers.\nassert add(1, 2) == 3\n"
            "assert add(0, 0) == 0",
            "id": "mbpp-7",
            "target": "def add(a, b):\n    return a + b",
        },
    ),
    "mmlu": (MMLU, {"text": MMLU_SENT, "target": "B", "task": "high_school_maths"}),
    "mmlu of one subject": (
        {key: value for key, value in MMLU.items() if key != "subject"},
        {"text": MMLU_SENT.partition("\n\n")[2], "target": "B"},
    ),
    "arc": (
        {
            "id": "Mercury_7",
            "question": "What melts?",
            "choices": {"text": ["ice", "fire"], "label": ["1", "2"]},
            "answerKey": "1",
        },
        {"text": "Question: What melts?\nAnswer:", "target": "ice", "id": "Mercury_7"},
    ),
    "arc of its authors": (
        {
            "id": "Mercury_7",
            "question": {
                "stem": "What melts?",
                "choices": [{"text": "ice", "label": "A"}, {"text": "fire", "label": "B"}],
            },
            "answerKey": "B",
        },
        {"text": "Question: What melts?\nAnswer:", "target": "fire", "id": "Mercury_7"},
    ),
    "hellaswag": (
        HELLASWAG,
        {
            # As lm-eval has it: title marks become stops, other marks go, two spaces are one.
            "text": "Baking bread: How to bake. Knead the dough well. She",
            "target": " puts it into the oven.",
            "attributes": {
                "activity_label": "Baking bread",
                "source_id": "wiki~1",
                "split": "val",
                "split_type": "indomain",
            },
        },
    ),
    "winogrande": (
        {
            "qID": "q-1",
            "sentence": "The cup fell off the shelf because _ was too narrow.",
            "option1": "the cup",
            "option2": "the shelf",
            "answer": "2",
        },
        {
            "text": "The cup fell off the shelf because the shelf",
            "target": "was too narrow.",
            "id": "q-1",
        },
    ),
    "alpaca": (
        {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"},
        {"text": "Translate.\n\nGuten Tag", "target": "Good day"},
    ),
    "alpaca without input": (
        {"instruction": "Name a colour.", "input": "", "output": "Blue"},
        {"text": "Name a colour.", "target": "Blue"},
    ),
    "dolly": (
        {
            "instruction": "When was it built?",
            "context": "It was built in 1900.",
            "response": "In 1900.",
            "category": "closed_qa",
        },
        {
            "text": "When was it built?\n\nIt was built in 1900.",
            "target": "In 1900.",
            "task": "closed_qa",
        },
    ),
    "inspect_ai": (
        {
            "input": "What is 2 + 2?",
            "target": ["4", "four"],
            "id": 12,
            "metadata": {"level": 3, "tags": ["a"]},
        },
        {"text": "What is 2 + 2?", "target": "4\nfour", "id": "12", "attributes": {"level": 3}},
    ),
    "inspect_ai with choices": (
        {"input": "Warm?", "choices": ["ice", "fire"], "target": "B"},
        {"text": "Warm?\n\nA) ice\nB) fire", "target": "B"},
    ),
    "one column": ({"Betreff": "Guten Tag, wie geht es?"}, {"text": "Guten Tag, wie geht es?"}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_known_shape_is_read_without_an_option(name: str, tmp_path: Path) -> None:
    row, wanted = SHAPES[name]
    prompt = only(tmp_path, row)
    found = {
        "text": prompt.text,
        "target": prompt.target,
        "task": prompt.task,
        "id": prompt.id,
        "attributes": dict(prompt.attributes),
    }
    usual: dict[str, object] = {"target": None, "task": "mine", "id": "mine-1", "attributes": {}}
    assert found == {**usual, **wanted}


def test_what_was_recognised_is_said_and_can_be_overruled(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, [SHAPES["truthfulqa"][0]])
    (said,) = suite.sentences()
    assert said.endswith(
        "mine.jsonl: read as TruthfulQA (text = question, target = best_answer, task = category; "
        "kept beside: type)"
    )
    named = load_suite(tmp_path / "mine.jsonl", columns="task=type")
    assert (named.prompts[0].task, named.prompts[0].target) == ("Adversarial", "Nobody does.")
    other = load_suite(tmp_path / "mine.jsonl", columns="text=best_answer,why=question")
    assert (other.prompts[0].text, other.prompts[0].task) == ("Nobody does.", "mine")
    assert dict(other.prompts[0].attributes) == {"why": "Who owns the moon?"}
    assert other.readings[0].shape is None


TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "How are you?"},
    {"role": "assistant", "content": "Well."},
]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": TURNS},
        {"messages": [{**t, "content": [{"type": "text", "text": t["content"]}]} for t in TURNS]},
        {
            "conversations": [
                {
                    "from": {"user": "human", "assistant": "gpt"}.get(t["role"], t["role"]),
                    "value": t["content"],
                }
                for t in TURNS
            ]
        },
        {"input": TURNS[:4], "target": "Well."},
        {"task": "mine", "id": "mine-1", "messages": TURNS, "target": "Well."},
    ],
)
def test_a_conversation_goes_up_to_the_last_turn_of_the_user(row: Row, tmp_path: Path) -> None:
    prompt = only(tmp_path, row)
    assert prompt.turns == tuple(Turn(t["role"], t["content"]) for t in TURNS[:4])
    assert prompt.target == "Well."
    assert prompt.text == (
        "system: Be brief.\n\nuser: Hello\n\nassistant: Hi.\n\nuser: How are you?"
    )


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"role": "assistant", "content": "Hi."}], "no turn of a user"),
        ([{"content": "Hi."}], "does not say whose it is"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
            "more than text",
        ),
        ([{"role": "user", "content": 3}], "a value of type int stands where the text"),
    ],
)
def test_a_conversation_without_a_question_is_named(
    messages: list[Row], why: str, tmp_path: Path
) -> None:
    with pytest.raises(SuiteError, match=why):
        only(tmp_path, {"messages": messages})


LM_EVAL = {
    "doc_id": 4,
    "doc": {"question": "Which is a prime?"},
    "target": 1,
    "arguments": {
        "gen_args_0": {"arg_0": "Q: Which is a prime?\nA:", "arg_1": " 9"},
        "gen_args_1": {"arg_0": "Q: Which is a prime?\nA:", "arg_1": " 11"},
    },
    "resps": [[["-3.2", "False"]], [["-1.0", "True"]]],
    "filtered_resps": [["-3.2", "False"], ["-1.0", "True"]],
    "filter": "none",
    "metrics": ["acc"],
    "doc_hash": "a",
    "prompt_hash": "b",
    "target_hash": "c",
    "acc": 1.0,
}
LOG = "samples_primes_2026-01-05T10-20-30.123456.jsonl"


def test_a_log_of_lm_eval_gives_the_prompt_that_was_sent_and_the_score(tmp_path: Path) -> None:
    prompt = only(tmp_path, LM_EVAL, LOG)
    assert (prompt.text, prompt.target) == ("Q: Which is a prime?\nA:", "11")
    assert (prompt.task, prompt.id, dict(prompt.attributes)) == ("primes", "4", {"acc": 1.0})


def test_an_older_log_of_lm_eval_with_one_request_is_read_too(tmp_path: Path) -> None:
    row = {
        **LM_EVAL,
        "arguments": [["Q: 2 + 2\nA:", {"until": ["\n"]}]],
        "target": "4",
        "filter": "strict-match",
        "exact_match": 0,
    }
    prompt = only(tmp_path, row, LOG)
    assert (prompt.text, prompt.target, prompt.id) == ("Q: 2 + 2\nA:", "4", "4-strict-match")
    assert dict(prompt.attributes) == {"acc": 1.0, "exact_match": 0}


SAMPLE = {
    "id": "s-1",
    "epoch": 2,
    "input": "What is 2 + 2?",
    "target": "4",
    "messages": [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "What is 2 + 2?"},
        {"role": "assistant", "content": "4"},
    ],
    "output": {"model": "m", "choices": []},
    "scores": {"match": {"value": "C", "answer": "4"}},
    "metadata": {"level": "easy"},
}


@pytest.mark.parametrize("name", ["log.json", "log.eval"])
def test_a_log_of_inspect_ai_gives_what_was_sent_and_the_score(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if name == "log.json":
        whole = {"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [SAMPLE]}
        file.write_text(json.dumps(whole, indent=2), encoding="utf-8")
    else:
        with zipfile.ZipFile(file, "w") as log:
            log.writestr("header.json", "{}")
            log.writestr("samples/s-1_epoch_2.json", json.dumps(SAMPLE))
    (prompt,) = load_suite(file).prompts
    assert prompt.turns == (Turn("system", "Think."), Turn("user", "What is 2 + 2?"))
    assert (prompt.id, prompt.target) == ("s-1-e2", "4")
    assert dict(prompt.attributes) == {"epoch": 2, "level": "easy", "score": "C"}


def test_an_unknown_shape_is_read_by_columns_alone(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    row = {"Frage": "Warum?", "Art": 3, "meta": {"lang": "de"}, "Antworten": ["so", "darum"]}
    file.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(SuiteError, match="say which does, such as --columns 'text=Frage'"):
        load_suite(file)
    (prompt,) = load_suite(
        file,
        template="{Frage}\n{Antworten:letters}",
        columns="task=meta.lang,id={Art}-{meta.lang},target=Antworten.1,lang=meta.lang,Art",
    ).prompts
    assert prompt.text == "Warum?\nA. so\nB. darum"
    assert (prompt.task, prompt.id, prompt.target) == ("de", "3-de", "darum")
    assert dict(prompt.attributes) == {"lang": "de", "Art": 3}
