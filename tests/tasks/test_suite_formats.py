"""The same prompts are the same suite, whatever file holds them."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task, load_suite

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: not text.isspace()
)
IDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
ROWS = st.lists(st.tuples(NAMES, IDS, TEXTS), min_size=1, max_size=8, unique_by=lambda row: row[1])

Row = tuple[str, str, str]
EXAMPLE: list[Row] = [
    ("sums", "sum-001", "What is 17 plus 25?"),
    ("chat", "chat-001", 'She said "hello, you",\nand left.'),
    ("sums", "sum-002", "Où est née Marie Curie ? 🙂"),
]


def as_csv(rows: Sequence[Row], *, line_end: str = "\n") -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("task", "id", "text"), *rows])
    return stream.getvalue().encode("utf-8")


def as_jsonl(rows: Sequence[Row], *, ensure_ascii: bool = True) -> bytes:
    lines = (
        json.dumps({"task": task, "id": prompt_id, "text": text}, ensure_ascii=ensure_ascii)
        for task, prompt_id, text in rows
    )
    return "\n".join(lines).encode("utf-8")


def as_yaml(rows: Sequence[Row]) -> bytes:
    tasks: dict[str, dict[str, list[dict[str, str]]]] = {}
    for task, prompt_id, text in rows:
        prompts = tasks.setdefault(task, {"prompts": []})["prompts"]
        prompts.append({"id": prompt_id, "text": text})
    content = {"name": "any", "version": "1", "tasks": tasks}
    # Escapes, because the dumper writes U+0085 raw, which YAML reads back as a line break.
    return yaml.safe_dump(content, allow_unicode=False, sort_keys=False).encode("utf-8")


def loaded(name: str, content: bytes) -> Suite:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        return load_suite(file)


def rows_of(suite: Suite) -> list[Row]:
    return [(prompt.task, prompt.id, prompt.text) for prompt in suite.prompts]


def by_task(rows: Sequence[Row]) -> list[Row]:
    order = list(dict.fromkeys(task for task, _, _ in rows))
    return sorted(rows, key=lambda row: order.index(row[0]))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_every_format_gives_back_any_text_and_the_same_hash(rows: list[Row]) -> None:
    suites = [
        loaded("s.csv", as_csv(rows)),
        loaded("s.csv", as_csv(rows, line_end="\r\n")),
        loaded("s.jsonl", as_jsonl(rows)),
        loaded("s.jsonl", as_jsonl(rows, ensure_ascii=False)),
        loaded("s.yaml", as_yaml(rows)),
    ]
    for suite in suites:
        assert rows_of(suite) == by_task(rows)
    assert len({suite.hash for suite in suites}) == 1


@settings(max_examples=20, deadline=None)
@given(st.data(), ROWS)
def test_the_hash_ignores_order_and_sees_every_change(data: st.DataObject, rows: list[Row]) -> None:
    first = loaded("s.jsonl", as_jsonl(rows)).hash
    assert loaded("s.jsonl", as_jsonl(data.draw(st.permutations(rows)))).hash == first
    task, prompt_id, text = rows[0]
    for changed in [
        (task + "x", prompt_id, text),
        (task, prompt_id + "-nowhere-else", text),
        (task, prompt_id, text + "."),
    ]:
        assert loaded("s.jsonl", as_jsonl([changed, *rows[1:]])).hash != first


def test_yaml_may_hold_any_script_unescaped() -> None:
    content = (
        'name: m\nversion: "1"\ntasks: {数学: {prompts: [{id: 数-1, text: 二加二等于几?🙂}]}}\n'
    )
    assert rows_of(loaded("s.yaml", content.encode("utf-8"))) == [
        ("数学", "数-1", "二加二等于几?🙂")
    ]


def test_a_folder_has_the_hash_of_one_file(tmp_path: Path) -> None:
    for task in ("sums", "chat"):
        rows = [row for row in EXAMPLE if row[0] == task]
        (tmp_path / f"{task}.yml").write_bytes(as_yaml(rows))
    (tmp_path / ".hidden.yaml").write_text("not: a suite", encoding="utf-8")
    assert load_suite(tmp_path).hash == loaded("s.csv", as_csv(EXAMPLE)).hash
    assert load_suite(str(tmp_path)).hash == load_suite(tmp_path).hash


def test_the_hash_stays_what_it_was() -> None:
    canonical = (
        r'{"chat":{"chat-001":"She said \"hello, you\",\nand left."},'
        r'"sums":{"sum-001":"What is 17 plus 25?",'
        r'"sum-002":"O\u00f9 est n\u00e9e Marie Curie ? \ud83d\ude42"}}'
    )
    assert loaded("s.csv", as_csv(EXAMPLE)).hash == sha256(canonical.encode("ascii")).hexdigest()


def test_name_version_description_and_source_do_not_change_the_hash() -> None:
    suite = loaded("s.csv", as_csv(EXAMPLE))
    tasks = tuple(
        Task(task.name, "words", tuple(replace(prompt, source=None) for prompt in task.prompts))
        for task in suite.tasks
    )
    assert Suite("other", "9", tasks).hash == suite.hash


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_sources_count_physical_lines_of_a_csv(line_end: str) -> None:
    content = line_end.join(["task,id,text", 's,a,"two', 'lines"', "", "s,b,one"])
    suite = loaded("s.csv", content.encode("utf-8"))
    assert [prompt.source for prompt in suite.prompts] == ["s.csv:2", "s.csv:5"]


def test_sources_are_lines_of_the_file() -> None:
    suite = loaded("s.jsonl", b"\r\n".join(as_jsonl(EXAMPLE).split(b"\n")) + b"\r\n\r\n")
    assert [prompt.source for prompt in suite.prompts] == ["s.jsonl:1", "s.jsonl:3", "s.jsonl:2"]
    text = 'name: m\nversion: "1"\ntasks:\n  t:\n    prompts:\n      - id: a\n        text: >-\n'
    suite = loaded("s.yaml", (text + "          one\n\n          two\n").encode("utf-8"))
    assert (suite.prompts[0].source, suite.prompts[0].text) == ("s.yaml:6", "one\ntwo")


@pytest.mark.parametrize("name", ["s.csv", "s.jsonl", "s.yaml", "S.YAML"])
def test_a_byte_order_mark_is_no_part_of_the_content(name: str) -> None:
    contents = {"csv": as_csv(EXAMPLE), "jsonl": as_jsonl(EXAMPLE), "yaml": as_yaml(EXAMPLE)}
    content = contents[name.lower().rpartition(".")[2]]
    assert rows_of(loaded(name, b"\xef\xbb\xbf" + content)) == by_task(EXAMPLE)


def test_columns_may_stand_in_any_order() -> None:
    assert rows_of(loaded("s.csv", b"text,task,id\nHello there,t,a\n")) == [
        ("t", "a", "Hello there")
    ]


def test_a_csv_field_may_be_long_and_the_limit_of_the_process_stays() -> None:
    before = csv.field_size_limit()
    rows = [("long", "long-001", "word " * 100_000 + "end")]
    assert rows_of(loaded("s.csv", as_csv(rows))) == rows
    assert csv.field_size_limit() == before


def test_a_file_without_a_version_says_so() -> None:
    suite = loaded("mine.csv", as_csv(EXAMPLE))
    assert (suite.name, suite.version) == ("mine", "unversioned")


def test_info_tells_what_a_manifest_keeps() -> None:
    info = loaded("s.yaml", as_yaml(EXAMPLE)).info()
    assert (info.name, info.version, info.tasks, info.prompts) == ("any", "1", ["sums", "chat"], 3)
    assert len(info.hash) == 64


def test_select_keeps_the_order_of_the_suite_and_changes_the_hash() -> None:
    suite = loaded("s.csv", as_csv(EXAMPLE))
    assert suite.select(["chat", "sums"]) == suite
    assert [task.name for task in suite.select(["chat"]).tasks] == ["chat"]
    assert suite.select("chat") == suite.select(["chat", "chat"])
    assert suite.select(["chat"]).hash != suite.hash
    with pytest.raises(UnknownNameError, match="no task 'sum' in suite 's'; did you mean 'sums'"):
        suite.select(["chat", "sum"])
    with pytest.raises(UsageError, match="No task"):
        suite.select([])


def test_find_knows_tasks_and_ids() -> None:
    suite = loaded("s.csv", as_csv(EXAMPLE))
    assert [prompt.id for prompt in suite.find("sums")] == ["sum-001", "sum-002"]
    assert suite.find("chat-001")[0].text == EXAMPLE[1][2]
    with pytest.raises(UnknownNameError, match="did you mean 'sum-002' or 'sum-001'"):
        suite.find("sum-02")
    with pytest.raises(UnknownNameError, match=r"tasks: sums, chat\."):
        suite.find("zzz")


def test_a_suite_made_by_hand_keeps_the_same_promises() -> None:
    prompt = Prompt(id="a", task="t", text="one")
    task = Task("t", "", (prompt,))
    for tasks, said in [
        ((), "no prompts"),
        ((task, task), "twice"),
        ((Task("t", "", ()),), "has no prompts"),
        ((Task("t", "", (prompt, prompt)),), "id 'a'"),
        ((Task("u", "", (prompt,)),), "names task 't'"),
    ]:
        with pytest.raises(SuiteError, match=said):
            Suite("s", "1", tasks)
