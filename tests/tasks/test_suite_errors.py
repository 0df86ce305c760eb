"""What is wrong in a suite file is named by file, line and id, in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.registry import Registry
from cortexscope.tasks import _loading, load_suite

HEAD = 'name: mine\nversion: "1"\ntasks:\n  sums:\n    prompts:\n'


def message(path: Path) -> str:
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rejected(tmp_path: Path, name: str, content: str | bytes, *parts: str) -> str:
    """Load a file of that content, and return the message, which names the file and the parts."""
    file = tmp_path / name
    file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    said = message(file)
    for part in (str(file), *parts):
        assert part in said
    return said


YAML_CASES = {
    "duplicate id": (
        HEAD + "      - {id: a-1, text: one and two}\n      - {id: a-1, text: two and three}\n",
        ["s.yaml:7: ", "'a-1'", "s.yaml:6"],
    ),
    "empty text": (HEAD + '      - {id: a-1, text: ""}\n', [":6: ", "'a-1'", "empty text"]),
    "blank text": (HEAD + '      - {id: a-1, text: " \\t"}\n', [":6: ", "'a-1'", "white space"]),
    "empty id": (HEAD + '      - {id: "", text: one}\n', [":6: ", "id of a prompt is empty"]),
    "id with a line break": (HEAD + '      - {id: "a\\nb", text: one}\n', [":6: ", "'a\\nb'"]),
    "misspelt key": (
        HEAD + "      - {id: a-1, txt: one}\n",
        [":6: ", "'a-1'", "wrong key 'txt'; did you mean 'text'?"],
    ),
    "missing key": (HEAD + "      - {id: a-1}\n", [":6: ", "'a-1'", "'text' is missing"]),
    "missing id": (HEAD + "      - {text: one}\n", [":6: ", "'sums'", "'id' is missing"]),
    "misspelt top key": ('name: m\nversio: "1"\ntasks: {}\n', [":1: ", "did you mean 'version'?"]),
    "misspelt task key": (
        'name: m\nversion: "1"\ntasks:\n  sums:\n    prompt: []\n',
        [":4: ", "'sums'", "did you mean 'prompts'?"],
    ),
    "id that is a number": (
        HEAD + "      - {id: 1, text: one}\n",
        [":6: ", "the id", "is 1", "number", "quotes"],
    ),
    "text that is a truth value": (
        HEAD + "      - id: a-1\n        text: no\n",
        [":7: ", "'a-1'", "is no", "truth value", 'quotes: "no"'],
    ),
    "text that is a date": (HEAD + "      - {id: a, text: 2020-01-02}\n", [":6: ", "a date"]),
    "text that is nothing": (HEAD + "      - {id: a-1, text: }\n", [":6: ", "'a-1'", "nothing"]),
    "text that is a list": (HEAD + "      - {id: a-1, text: [x]}\n", [":6: ", "'a-1'", "a list"]),
    "text that is a mapping": (HEAD + "      - {id: a-1, text: {x: y}}\n", [":6: ", "a mapping"]),
    "version that is a number": (
        HEAD.replace('"1"', "1.0") + "      - {id: a, text: b}\n",
        [":2: ", "version", "is 1.0", "quotes"],
    ),
    "empty name": (HEAD.replace("mine", '""') + "      - {id: a, text: b}\n", [":1: ", "name"]),
    "task name that is a truth value": (HEAD.replace("sums", "no"), [":4: ", "is no", "quotes"]),
    "task name that is empty": (
        HEAD.replace("sums", '""') + "      - {id: a, text: b}\n",
        [":4: ", "task is empty"],
    ),
    "task name with a line break": (
        HEAD.replace("sums", '"my\\nsums"') + "      - {id: a, text: b}\n",
        [":4: ", "'my\\nsums'"],
    ),
    "task name that ends in a space": (
        HEAD.replace("sums", '"sums "') + "      - {id: a, text: b}\n",
        [":4: ", "'sums '", "space"],
    ),
    "task name that is long": (
        HEAD.replace("sums", "s" * 101) + "      - {id: a, text: b}\n",
        [":4: ", "at most 100"],
    ),
    "task twice": (
        HEAD + "      - {id: a, text: b}\n  sums:\n    prompts: []\n",
        [":7: ", "'sums'", "twice", "line 4"],
    ),
    "key twice": (HEAD + "      - {id: a, text: b, id: c}\n", [":6: ", "'id'", "twice"]),
    "task without prompts": (
        'name: m\nversion: "1"\ntasks:\n  sums:\n    prompts: []\n',
        [":4: ", "'sums' has no prompts"],
    ),
    "prompts that are no list": (
        'name: m\nversion: "1"\ntasks:\n  sums:\n    prompts: {a: b}\n',
        [":5: ", "'sums'", "not a list"],
    ),
    "suite without tasks": ('name: m\nversion: "1"\ntasks: {}\n', ["no prompts"]),
    "tasks that are nothing": ('name: m\nversion: "1"\ntasks:\n', [":3: ", "'tasks' is nothing"]),
    "list at the top": ("- a\n- b\n", [":1: ", "a list"]),
    "comments only": ("# nothing here\n", ["is empty"]),
    "alias": (HEAD + "      - &a {id: x, text: one}\n      - *a\n", [":7: ", "aliases", "*a"]),
    "object tag": (
        HEAD + "      - {id: a-1, text: !!python/name:os.system }\n",
        [":6: ", "'a-1'", "needed"],
    ),
    "open bracket": (HEAD + "      - {id: a, text: [\n", [":7: ", "not YAML"]),
    "tab as indentation": ("name: m\nversion: x\ntasks:\n\tsums: {}\n", [":4: ", "not YAML"]),
    "two documents": ("name: m\n---\nname: n\n", [":2: ", "not YAML"]),
    "control character": ("name: m\nversion: \x07\n", [":2: ", "'\\x07'"]),
    "half a surrogate": (HEAD + '      - {id: a, text: "x \\uD83D"}\n', [":6: "]),
    "escaped NUL": (HEAD + '      - {id: a-1, text: "x\\0"}\n', [":6: ", "'a-1'", "NUL"]),
}


@pytest.mark.parametrize("case", YAML_CASES)
def test_wrong_yaml_is_named_by_line_and_id(case: str, tmp_path: Path) -> None:
    content, parts = YAML_CASES[case]
    rejected(tmp_path, "s.yaml", content, *parts)


JSONL_CASES = {
    "duplicate id": (
        '{"task": "s", "id": "a-1", "text": "x"}\n\n{"task": "s", "id": "a-1", "text": "y"}\n',
        ["s.jsonl:3: ", "'a-1'", "s.jsonl:1"],
    ),
    "misspelt key": (
        '{"task": "s", "id": "a-1", "txt": "x"}\n',
        [":1: ", "task, id, txt", "is known to hold the text", "--columns 'text="],
    ),
    "key twice": ('{"task": "s", "id": "a", "id": "b", "text": "x"}', [":1: ", "'id'", "twice"]),
    "id that is a list": ('{"task": "s", "id": [{}], "text": "x"}', [":1: ", "has no id"]),
    "text that is null": ('{"task": "s", "id": "a-1", "text": null}', ["'a-1'", "it is null"]),
    "text that is a mapping": ('{"task": "s", "id": "a", "text": {}}', [":1: ", "a mapping"]),
    "text that comes late": (
        '{"task": "s", "id": "a", "text": "x"}\n{"task": "s", "id": "b"}\n',
        [":2: ", "'b'", "there is no 'text'"],
    ),
    "empty text": ('{"task": "s", "id": "a-1", "text": ""}', [":1: ", "'a-1'", "empty text"]),
    "NUL in the text": ('{"task": "s", "id": "a-1", "text": "\\u0000"}', [":1: ", "'a-1'", "NUL"]),
    "half a surrogate": (
        '{"task": "s", "id": "a-1", "text": "x\\ud83d"}',
        [":1: ", "'a-1'", "surrogate", "character 1"],
    ),
    "not JSON": ('{"task": "s", "id": "a-1", "text": "x"}\n{"task": \n', [":2: ", "not JSON"]),
    "not an object": ("[1]\n", [":1: ", "not a JSON object"]),
    "an array that never ends": ('[{"task": "s"},\n{"task"', [":2: ", "not JSON"]),
    "an array without commas": ('["one"\n"two"]', [":2: ", "stands where ',' is needed"]),
    "endless nesting": ("[" * 200_000, [":1: ", "not JSON"]),
    "endless number": ('{"id": ' + "9" * 5000 + "}", [":1: ", "not JSON"]),
    "task name with a line break": (
        '{"task": "a\\nb", "id": "x", "text": "y"}',
        [":1: ", "'a\\nb'"],
    ),
}


@pytest.mark.parametrize("case", JSONL_CASES)
def test_wrong_jsonl_is_named_by_line_and_id(case: str, tmp_path: Path) -> None:
    content, parts = JSONL_CASES[case]
    rejected(tmp_path, "s.jsonl", content, *parts)


CSV_CASES = {
    "duplicate id": (
        'task,id,text\ns,a-1,"one\ntwo"\ns,a-1,three\n',
        ["s.csv:4: ", "'a-1'", "s.csv:2"],
    ),
    "wrong column": (
        "task,id,txt\ns,a-1,so long a text\n",
        ["s.csv:2: ", "--columns 'text=txt'"],
    ),
    "column twice": ("task,id,text,text\ns,a,x,y\n", [":1: ", "twice"]),
    "two delimiters that both fit": ("a;b,c\nd;e,f\n", ["semicolons", "commas", "--delimiter"]),
    "unquoted comma": (
        "task,id,text\ns,a-1,x\ns,a-2,well, yes\n",
        [":3: ", "'a-2'", "4 fields", "quotes"],
    ),
    "short row": ("task,id,text\ns,a-1\n", [":2: ", "'a-1'", "2 fields"]),
    "open quote": ('task,id,text\ns,a-1,x\ns,a-2,"y\n', [":3: ", "not CSV"]),
    "text after a quote": ('task,id,text\ns,a-1,"x"y\n', [":2: ", "not CSV"]),
    "empty text": ("task,id,text\r\ns,a-1,\r\n", [":2: ", "'a-1'", "empty text"]),
    "blank text": ("task,id,text\ns,a-1,   \n", [":2: ", "'a-1'", "white space"]),
    "empty task": ("task,id,text\n,a-1,x\n", [":2: ", "has no task"]),
    "empty id": ("task,id,text\ns,,x\n", [":2: ", "has no id"]),
    "id with space at an end": ("task,id,text\ns, a,x\n", [":2: ", "' a'"]),
    "header only": ("task,id,text\n", ["no prompts"]),
}


@pytest.mark.parametrize("case", CSV_CASES)
def test_wrong_csv_is_named_by_line_and_id(case: str, tmp_path: Path) -> None:
    content, parts = CSV_CASES[case]
    rejected(tmp_path, "s.csv", content, *parts)


@pytest.mark.parametrize("name", ["s.yaml", "s.jsonl", "s.csv"])
def test_a_file_that_is_no_text_is_named_by_line(name: str, tmp_path: Path) -> None:
    rejected(tmp_path, name, b"fine\nna\xefve\n", ":2: ", "0xef", "offset 7", "UTF-8")
    rejected(tmp_path, name, "fine\nfine\n\0\n", ":3: ", "NUL")
    rejected(tmp_path, name, " \r\n\n", "is empty")
    rejected(tmp_path, name, b"\xef\xbb\xbf", "is empty")


def test_aliases_and_deep_nesting_are_refused_before_they_grow(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40)
    )
    rejected(tmp_path, "bomb.yaml", bomb, ":2: ", "aliases")
    rejected(tmp_path, "deep.yaml", "[" * 100_000, ":1: ")
    rejected(tmp_path, "deep.yaml", "- " * 100 + "x", ":1: ", "deeper than 20 levels")


def test_files_of_a_folder_must_agree(tmp_path: Path) -> None:
    def write(name: str, content: str) -> None:
        (tmp_path / name).write_text(content, encoding="utf-8")

    write("a.yaml", HEAD + "      - {id: a-1, text: one}\n")
    write("b.yaml", HEAD + "      - {id: a-2, text: two}\n")
    said = message(tmp_path)
    assert "b.yaml:4: " in said
    assert "'sums' is also at" in said
    assert "a.yaml:4" in said
    write("b.yaml", HEAD.replace("sums", "more") + "      - {id: a-1, text: two}\n")
    said = message(tmp_path)
    assert "b.yaml:6: " in said
    assert "a.yaml:6" in said
    write("b.yaml", HEAD.replace('"1"', '"2"'))
    assert "b.yaml" in message(tmp_path)
    write("b.yaml", HEAD.replace("sums", "more").replace('"1"', '"2"') + "      - {id: b, text: c}")
    assert "version '2'" in message(tmp_path)


def test_a_folder_without_suites_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_text("nothing", encoding="utf-8")
    assert f"{tmp_path} holds no file of a suite" in message(tmp_path)


def test_an_unsupported_ending_is_named(tmp_path: Path) -> None:
    rejected(tmp_path, "suite.doc", "{}", "'.doc'", ".jsonl", "--format")
    rejected(tmp_path, "suite", "a,b\n", "begins with 'a,b'", "--format")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.touch(mode=0o000)
    assert f"{file} cannot be read (Permission denied)" in message(file)


def test_a_folder_that_ends_like_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").mkdir()
    assert "s.yaml cannot be read (Is a directory)" in message(tmp_path)


def test_a_package_that_offers_no_suite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loading, "_SUITES", Registry("suite", {"empty": "builtins:dict"}))
    with pytest.raises(UsageError, match="'empty' gave a dict"):
        load_suite("empty")


@pytest.mark.parametrize("name", ["cognitiv", "no/such/file.yaml", "", "x" * 5000, "a\0b"])
def test_an_unknown_name_brings_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="cognitive"):
        load_suite(name)
