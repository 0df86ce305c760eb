"""What the decoder of an encoder-decoder reads may stand beside a text, in every format."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from cortexscope.errors import SuiteError, UsageError
from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task, lint, load_suite

FILES = {
    "s.csv": 'task,id,text,target\nsums,a-1,Add 1 and 2.,"3, I think"\nsums,a-2,Add 2.,\n',
    "s.jsonl": (
        '{"task": "sums", "id": "a-1", "text": "Add 1 and 2.", "target": "3, I think"}\n'
        '{"task": "sums", "id": "a-2", "text": "Add 2."}\n'
    ),
    "null.jsonl": (
        '{"task": "sums", "id": "a-1", "text": "Add 1 and 2.", "target": "3, I think"}\n'
        '{"task": "sums", "id": "a-2", "text": "Add 2.", "target": null}\n'
    ),
    "s.yaml": (
        'name: s\nversion: "1"\ntasks:\n  sums:\n    prompts:\n'
        '      - {id: a-1, text: Add 1 and 2., target: "3, I think"}\n'
        '      - {id: a-2, text: Add 2., target: ""}\n'
    ),
    "null.yaml": (
        'name: s\nversion: "1"\ntasks:\n  sums:\n    prompts:\n'
        '      - {id: a-1, text: Add 1 and 2., target: "3, I think"}\n'
        "      - {id: a-2, text: Add 2., target: }\n"
    ),
}


def written(folder: Path, name: str, content: str) -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_targets_and_hash(name: str, tmp_path: Path) -> None:
    suite = load_suite(written(tmp_path, name, FILES[name]))
    assert [prompt.target for prompt in suite.prompts] == ["3, I think", None]
    canonical = '{"sums":{"a-1":["Add 1 and 2.","3, I think"],"a-2":"Add 2."}}'
    assert suite.hash == sha256(canonical.encode("ascii")).hexdigest()


def test_only_a_target_changes_the_hash(tmp_path: Path) -> None:
    bare = load_suite(written(tmp_path, "bare.csv", "task,id,text\nt,a,one\n"))
    empty = load_suite(written(tmp_path, "empty.csv", "task,id,text,target\nt,a,one,\n"))
    full = load_suite(written(tmp_path, "full.csv", "task,id,text,target\nt,a,one,two\n"))
    assert bare.hash == empty.hash != full.hash
    by_hand = Suite("s", "1", (Task("t", "", (Prompt("a", "t", "one", target=""),)),))
    assert by_hand.hash == bare.hash


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", "task,id,text,summary,target,url\nt,a,one,two,three,four\n"),
        (
            "s.jsonl",
            '{"task": "t", "id": "a", "text": "one", "target": 3, "summary": "two", "n": 1}\n'
            '{"task": "t", "id": "b", "text": "one"}\n',
        ),
    ],
)
def test_another_column_may_hold_the_targets(name: str, content: str, tmp_path: Path) -> None:
    suite = load_suite(written(tmp_path, name, content), columns="target=summary")
    assert suite.prompts[0].target == "two"
    assert {prompt.target for prompt in suite.prompts[1:]} <= {None}


def test_the_decoder_may_read_the_text_itself(tmp_path: Path) -> None:
    file = written(tmp_path, "s.csv", "task,id,text\nt,a,one\n")
    assert load_suite(file, columns="target=text").prompts[0].target == "one"


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("s.csv", "task,id,text,summary\nt,a,one,two\n", "s.csv: there is no column"),
        (
            "s.jsonl",
            '{"task": "t", "id": "a", "text": "one", "summary": "two"}\n',
            "s.jsonl: there is no column",
        ),
    ],
)
def test_a_column_that_is_not_there_brings_the_nearest(
    name: str, content: str, place: str, tmp_path: Path
) -> None:
    with pytest.raises(SuiteError) as raised:
        load_suite(written(tmp_path, name, content), columns="target=sumary")
    assert f"{place} 'sumary'; did you mean 'summary'?" in str(raised.value)


def test_a_column_cannot_be_named_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="columns was given, and the suite 'cognitive' has no col"):
        load_suite("cognitive", columns="target=summary")
    file = written(tmp_path, "s.yaml", FILES["s.yaml"])
    for path in (file, tmp_path):
        with pytest.raises(UsageError, match="YAML"):
            load_suite(path, columns="target=summary")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.csv", "task,id,text,target\nt,a,one,  \n", ":2: prompt 'a' has a target of white"),
        ("s.csv", "task,id,text,target,target\nt,a,one,b,c\n", ":1: the column 'target' comes tw"),
        (
            "s.jsonl",
            '{"task": "t", "id": "a", "text": "one", "target": "\\ud800"}',
            ":1: prompt 'a' has half of a surrogate pair ('\\ud800') at character 0 of its targ",
        ),
        (
            "s.yaml",
            'name: s\nversion: "1"\ntasks: {t: {prompts: [{id: a, text: one, target: 3}]}}\n',
            ":3: the target of prompt 'a' is 3, which YAML reads as a number",
        ),
    ],
)
def test_a_wrong_target_is_named_by_line_and_id(
    name: str, content: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SuiteError) as raised:
        load_suite(written(tmp_path, name, content))
    assert said in str(raised.value)


def test_doubtful_targets_are_warnings() -> None:
    texts = [
        f"Where do {word} come from?" for word in ["rivers", "winds", "clouds", "words", "tides"]
    ]
    texts += [f"Why is the {word} round?" for word in ["moon", "wheel", "drop", "coin", "eye"]]
    prompts = [Prompt(f"t-{n}", "t", text, target=f"Because {n}.") for n, text in enumerate(texts)]
    assert lint(Suite("s", "1", (Task("t", "", tuple(prompts)),))) == []
    prompts[3] = Prompt("t-3", "t", texts[3], "s.csv:5")
    prompts[4] = Prompt("t-4", "t", texts[4], target=" Because\x07")
    found = [str(finding) for finding in lint(Suite("s", "1", (Task("t", "", tuple(prompts)),)))]
    assert found[0].startswith("warning: t-4: the target begins or ends with white space")
    assert found[1] == "warning: t-4: the target holds control characters; delete them."
    assert found[2].startswith("warning: s: 1 of 10 prompts have no target (first: t-3 (s.csv:5))")
    assert len(found) == 3
