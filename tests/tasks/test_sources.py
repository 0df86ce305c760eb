"""The same rows are the same prompts, whatever file holds them, packed or not; damage is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cortexscope.errors import SuiteError, UsageError
from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task, load_suite
from cortexscope.tasks.sources import FORMATS, LONGEST

ROWS = [
    {"question": "Was ist 1 + 1?", "answer": "zwei", "level": 1, "kind": "sums", "n": 0.5},
    {"question": 'She said "hello,\nyou"; and left.', "answer": "Où?", "level": 20, "kind": "chat"},
    {"question": "Why\tis it 🙂 so?", "answer": "Because, well.", "level": 3, "kind": "chat"},
]
NAMES = ["question", "answer", "level", "kind", "n"]


def as_csv(delimiter: str = ",", *, line_end: str = "\n", slashed: bool = False) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(
        stream,
        NAMES,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if slashed else csv.QUOTE_MINIMAL,
        doublequote=not slashed,
        escapechar="\\" if slashed else None,
    )
    writer.writeheader()
    writer.writerows(ROWS)
    return stream.getvalue()


def as_jsonl() -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def as_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS, schema=_schema()), path)


def _schema() -> pa.Schema:
    kinds = {"level": pa.int64(), "n": pa.float64()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in NAMES])


def as_xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(NAMES)
    for row in ROWS:
        sheet.append([row.get(name) for name in NAMES])
    book.create_sheet("empty")
    book.save(path)


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content.encode(encoding))

    return write


FILES: dict[str, Callable[[Path], None]] = {
    "s.csv": text(as_csv()),
    "crlf.csv": text(as_csv(line_end="\r\n")),
    "bom.csv": text(as_csv(), "utf-8-sig"),
    "utf16.csv": text(as_csv(), "utf-16"),
    "semicolons.csv": text(as_csv(";")),
    "bars.csv": text(as_csv("|")),
    "slashed.csv": text(as_csv(slashed=True)),
    "s.tsv": text(as_csv("\t")),
    "s.jsonl": text(as_jsonl()),
    "crlf.jsonl": text(as_jsonl().replace("\n", "\r\n")),
    "bom.jsonl": text(as_jsonl(), "utf-8-sig"),
    "lines.json": text(as_jsonl()),
    "array.json": text(json.dumps(ROWS)),
    "pretty.json": text("\n" + json.dumps(ROWS, indent=1)),
    "array.jsonl": text(json.dumps(ROWS)),
    "held.json": text(json.dumps({"version": "1", "data": ROWS})),
    "s.parquet": as_parquet,
    "s.xlsx": as_xlsx,
}


def loaded(folder: Path, name: str, *, packed: bool = False) -> Suite:
    file = folder / name
    FILES[name](file)
    if packed:
        content = file.read_bytes()
        file.unlink()
        file = file.with_name(f"{name}.gz")
        file.write_bytes(gzip.compress(content))
    return load_suite(file)


def seen(suite: Suite) -> list[tuple[str, str | None, dict[str, object]]]:
    return [(p.text, p.target, dict(p.attributes)) for p in suite.prompts]


WANTED = [
    (
        row["question"],
        row["answer"],
        {"level": row["level"], "kind": row["kind"], "n": row.get("n")},
    )
    for row in ROWS
]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_prompts(name: str, packed: bool, tmp_path: Path) -> None:
    suite = loaded(tmp_path, name, packed=packed)
    assert seen(suite) == WANTED
    stem = name.partition(".")[0]
    assert {(p.task, p.id.rpartition("-")[0]) for p in suite.prompts} == {(stem, stem)}
    kinds = [{key: type(value) for key, value in p.attributes.items()} for p in suite.prompts]
    assert kinds[0] == {"level": int, "kind": str, "n": float}


def test_what_a_program_holds_is_read_like_its_file(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    held = [frame, pl.DataFrame(ROWS), datasets.Dataset.from_list(ROWS), ROWS, iter(ROWS)]
    suites = [load_suite(each) for each in held]
    for suite in suites:
        assert seen(suite) == WANTED
    assert len({suite.hash for suite in suites}) == 1
    named = {"text": "question", "id": "level"}
    as_parquet(tmp_path / "prompts.parquet")
    file = load_suite(tmp_path / "prompts.parquet", columns=named)
    assert load_suite(frame, columns=named).hash == file.hash


def test_texts_in_a_list_are_prompts() -> None:
    suite = load_suite(["One.", "Two."])
    assert [(p.id, p.task, p.text) for p in suite.prompts] == [
        ("prompts-1", "prompts", "One."),
        ("prompts-2", "prompts", "Two."),
    ]
    for wrong in (3, b"one", {"text": "a"}):
        with pytest.raises(UsageError, match="is no suite"):
            load_suite(wrong)
    with pytest.raises(SuiteError, match="prompts:2: the row is a int"):
        load_suite(["One.", 2])


def test_a_text_file_has_a_prompt_a_line_or_a_paragraph(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("One, two\nthree\n\n \nfour; five\r\nsix", encoding="utf-8")
    lines = load_suite(file)
    assert [p.text for p in lines.prompts] == ["One, two", "three", "four; five", "six"]
    assert [p.id for p in lines.prompts] == ["mine-1", "mine-2", "mine-5", "mine-6"]
    paragraphs = load_suite(file, paragraphs=True)
    assert [p.text for p in paragraphs.prompts] == ["One, two\nthree", "four; five\nsix"]
    assert [p.id for p in paragraphs.prompts] == ["mine-1", "mine-5"]


def test_a_folder_of_texts_has_its_folders_as_tasks(tmp_path: Path) -> None:
    folder = tmp_path / "stories"
    for name, content in {
        "sad/a.txt": "It rained.\n",
        "sad/b.md": "Again.",
        "top.txt": "Up.",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    (folder / ".hidden.txt").write_text("no", encoding="utf-8")
    suite = load_suite(folder)
    assert [(p.task, p.id, p.text) for p in suite.prompts] == [
        ("sad", "sad/a", "It rained."),
        ("sad", "sad/b", "Again."),
        ("stories", "top", "Up."),
    ]
    (folder / "sad" / "c.txt").write_bytes(b"")
    with pytest.raises(SuiteError, match=r"c\.txt is empty"):
        load_suite(folder)
    assert len(load_suite(folder, skip_bad_rows=True).prompts) == 3


def test_a_folder_of_tables_has_a_task_a_table(tmp_path: Path) -> None:
    for name in ("s.csv", "s.jsonl", "s.parquet"):
        FILES[name](tmp_path / name.replace("s.", f"{name[2:]}."))
    suite = load_suite(tmp_path)
    assert [task.name for task in suite.tasks] == ["csv", "jsonl", "parquet"]
    assert seen(suite) == WANTED * 3


@pytest.mark.slow
def test_standard_input_tells_what_it_is(tmp_path: Path) -> None:
    for name in ("s.jsonl", "array.json", "s.parquet", "s.xlsx"):
        FILES[name](tmp_path / name)
        command = [sys.executable, "-m", "cortexscope", "tasks", "list", "--suite", "-"]
        with (tmp_path / name).open("rb") as stream:
            done = subprocess.run(command, stdin=stream, capture_output=True, text=True, check=True)
        assert "Suite stdin unversioned: 1 tasks, 3 prompts" in done.stdout
    done = subprocess.run(command, input="a,b\n1,2\n", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input begins with 'a,b', which may be text or the columns" in done.stderr
    command += ["--format", "csv", "--columns", "text=b"]
    done = subprocess.run(command, input="a,b\n1,2\n", capture_output=True, text=True, check=True)
    assert "1 prompts" in done.stdout


DAMAGED: dict[str, tuple[str, bytes, str]] = {
    "packed, cut": ("s.csv.gz", gzip.compress(as_csv().encode())[:40], "cannot be unpacked"),
    "not packed": ("s.csv.gz", b"\x1f\x8bnonsense", "cannot be unpacked"),
    "no Parquet": ("s.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
    "no workbook": ("s.xlsx", b"PK\x03\x04 and no more", "cannot be read as a workbook"),
    "no log": ("s.eval", b"PK\x03\x04 and no more", "cannot be read as a log of inspect_ai"),
    "another encoding": ("s.txt", "gar\xe7on".encode("latin-1"), "--encoding"),
    "half a character": ("s.txt", "garç".encode()[:-1], "ends in half a character"),
    "no mark of UTF-16": ("s.csv", as_csv().encode("utf-16-le"), "--encoding"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_one_sentence(case: str, tmp_path: Path) -> None:
    name, content, said = DAMAGED[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SuiteError) as raised:
        load_suite(tmp_path / name)
    assert str(raised.value).startswith(str(tmp_path / name))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_options_settle_what_is_not_certain(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_bytes("text;préf\nça, va;1\n".encode("cp1252"))
    assert seen(load_suite(file, encoding="cp1252")) == [("ça, va", None, {"préf": 1})]
    file.write_text("a;b,c\nd;e,f\n", encoding="utf-8")
    (prompt,) = load_suite(file, delimiter=",", columns="text=a;b").prompts
    assert prompt.text == "d;e"
    file.write_text("Is it?,yes\nWas it?,no\n", encoding="utf-8")
    numbered = load_suite(file, header=False, columns="text=1,right=2")
    assert seen(numbered) == [
        ("Is it?", None, {"right": "yes"}),
        ("Was it?", None, {"right": "no"}),
    ]
    book = openpyxl.Workbook()
    for number, name in enumerate(("one", "two")):
        sheet = book.create_sheet(name)
        sheet.append(["text"])
        sheet.append([f"prompt {number}"])
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(SuiteError, match="rows in the sheets 'one', 'two'; say which to read with"):
        load_suite(tmp_path / "b.xlsx")
    assert load_suite(tmp_path / "b.xlsx", sheet="two").prompts[0].text == "prompt 1"
    with pytest.raises(SuiteError, match="no sheet 'tow'; did you mean 'two'"):
        load_suite(tmp_path / "b.xlsx", sheet="tow")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "cvs"}, "did you mean 'csv'"),
        ({"encoding": "utf-7x"}, "There is no encoding 'utf-7x'"),
        ({"encoding": "rot13"}, "There is no encoding 'rot13'"),
        ({"delimiter": ",,"}, "give one character"),
        ({"quoting": "singel"}, "There is no quoting 'singel'"),
        ({"limit": 0}, "limit is 0"),
        ({"columns": "text="}, "is no pair"),
        ({"columns": "txet=question"}, "did you mean 'text'"),
        ({"columns": "text=a,text=b"}, "name 'text' twice"),
        ({"columns": "text=a", "template": "{b}"}, "Both a template and a column"),
        ({"template": "{question"}, "never closed"),
        ({"template": "{qestion}"}, "there is no column 'qestion'; did you mean 'question'"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    options: dict[str, object], said: str, tmp_path: Path
) -> None:
    FILES["s.csv"](tmp_path / "s.csv")
    with pytest.raises(UsageError, match=said) as raised:
        load_suite(tmp_path / "s.csv", **options)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_bad_rows_are_named_or_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    lines = ['{"text": "fine"}', "{", '{"text": ""}', '{"text": null}', "[]"] + ["no"] * 9
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SuiteError) as raised:
        load_suite(file)
    said = str(raised.value)
    assert said.startswith(f"13 of 14 rows of {file} give no prompt, so nothing is read;")
    assert [f"{file}:{line}: " in said for line in range(1, 15)] == [False] + [True] * 10 + [
        False
    ] * 3
    assert said.endswith("; and 3 more.")
    suite = load_suite(file, skip_bad_rows=True)
    (reading,) = suite.info().readings
    assert (len(suite.prompts), reading.rows, reading.bad_rows, len(reading.faults)) == (
        1,
        14,
        13,
        10,
    )
    assert f"13 of 14 rows are left out, the first as {file}:2: " in suite.sentences()[-1]


def test_a_sample_is_the_same_everywhere_and_holds_smaller_ones(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    rows = ({"text": f"prompt {n}", "task": "ab"[n % 2], "id": f"p{n}"} for n in range(200))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole = load_suite(file)
    few, more = load_suite(file, limit=10), load_suite(file, limit=50)
    assert set(few.prompts) < set(more.prompts) < set(whole.prompts)
    # Hashes of seed and id, by hand.
    from hashlib import sha256

    ranks = sorted((p.id for p in whole.prompts), key=lambda i: sha256(f"0:{i}".encode()).digest())
    assert {p.id for p in few.prompts} == set(ranks[:10])
    assert [p.id for p in few.prompts if p.task == "a"] == sorted(
        (p.id for p in few.prompts if p.task == "a"), key=lambda name: int(name[1:])
    )
    each = load_suite(file, per_task=7, limit_seed=3)
    assert [len(task.prompts) for task in each.tasks] == [7, 7]
    both = load_suite(file, per_task=7, limit=5, limit_seed=3)
    assert len(both.prompts) == 5
    assert set(both.prompts) < set(each.prompts)
    sampling = each.info().sampling
    assert sampling is not None
    assert (sampling.per_task, sampling.seed, sampling.prompts) == (7, 3, 200)
    assert "14 of 200 prompts, at most 7 a task, drawn with seed 3" in each.sentences()[-1]
    assert len(load_suite("cognitive", per_task=2).prompts) == 24


def test_a_column_of_mixed_types_is_text_and_missing_values_are_none() -> None:
    rows = [
        {"text": "a", "mixed": 1, "late": None, "long": "x" * 121, "whole": 3, "list": [1]},
        {"text": "b", "mixed": "two", "late": True, "whole": 4.5, "text2": float("nan")},
        {"text": "c", "mixed": None, "whole": float("inf"), "big": 2**70},
    ]
    suite = load_suite(rows)
    assert [dict(p.attributes) for p in suite.prompts] == [
        {"mixed": "1", "late": None, "whole": 3.0, "big": None},
        {"mixed": "two", "late": True, "whole": 4.5, "big": None},
        {"mixed": None, "late": None, "whole": None, "big": float(2**70)},
    ]
    assert load_suite(rows[:1], columns="long").prompts[0].attributes["long"] == "x" * 121
    with pytest.raises(
        SuiteError, match="prompts:1: the column 'list' holds a list; name a value in it"
    ):
        load_suite(rows[:1], columns="list")


@pytest.mark.parametrize("value", ["007", "1_000", "0x1f", "1e999", "nan", "-", "+", "."])
def test_what_only_looks_like_a_number_stays_text(value: str, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text(f"text,code\na,{value}\nb,1\n", encoding="utf-8")
    assert [p.attributes["code"] for p in load_suite(file).prompts] == [value, "1"]


def test_columns_named_like_ours_stay_the_users(tmp_path: Path) -> None:
    row = {
        "text": "one",
        "prompt_id": "x",
        "metric": "y",
        "value": 3,
        "layer": 1,
        "attributes.": "dot",
        "source": "z",
        "control": "none",
    }
    (prompt,) = load_suite([row]).prompts
    assert dict(prompt.attributes) == {key: value for key, value in row.items() if key != "text"}
    assert (prompt.control, prompt.source) == (None, "prompts")


def test_a_converted_suite_is_the_same_suite(tmp_path: Path) -> None:
    from cortexscope.tasks import write_suite

    talk = [{"role": "user", "content": "Hello"}]
    rows = [
        {"id": "a", "text": "one", "target": "t", "level": 1, "lang": "2020-01-02", "ok": True},
        {"id": "b", "text": "two\n  lines", "level": None, "lang": "no", "ok": False},
    ]
    suites = [load_suite(rows), load_suite([{"messages": talk, "kind": "x"}])]
    for number, suite in enumerate(suites):
        for ending in ("yaml", "jsonl"):
            file = tmp_path / f"{number}.{ending}"
            write_suite(suite, file)
            again = load_suite(file)
            assert again.hash == suite.hash
            for before, after in zip(suite.prompts, again.prompts, strict=True):
                assert dict(before.attributes) == dict(after.attributes)
                assert before.turns == after.turns


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    with file.open("wb") as stream:
        stream.write(b'{"text": "')
        stream.seek(4 * LONGEST)
        stream.write(b'"}')
    with pytest.raises(SuiteError, match=r"s\.jsonl:1: a NUL character"):
        load_suite(file)
    with file.open("wb") as stream:
        for _ in range(2 * LONGEST // 2**20):
            stream.write(b"x" * 2**20)
    with pytest.raises(SuiteError, match=r":1: the line is longer than 67,108,864 characters"):
        load_suite(file)
    for ending in ("csv", "txt"):
        file = file.rename(file.with_suffix(f".{ending}"))
        with pytest.raises(SuiteError, match="longer than"):
            load_suite(file)


def test_a_folder_of_two_formats_has_columns_of_one_type(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,n,code\none,1,01\n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "two", "n": 2, "code": "2"}\n', encoding="utf-8")
    found = [dict(prompt.attributes) for prompt in load_suite(tmp_path).prompts]
    assert found == [{"n": 1, "code": "01"}, {"n": 2, "code": "2"}]


def test_a_yaml_suite_has_columns_of_one_type(tmp_path: Path) -> None:
    head = 'name: m\nversion: "1"\ntasks:\n  t:\n    prompts:\n'
    rows = ["{n: 1, d: 0.5, b: true}", "{n: two, d: 3, b: null}", "{}"]
    prompts = (f"      - {{id: p{k}, text: x, attributes: {row}}}\n" for k, row in enumerate(rows))
    (tmp_path / "s.yaml").write_text(head + "".join(prompts), encoding="utf-8")
    found = [dict(prompt.attributes) for prompt in load_suite(tmp_path / "s.yaml").prompts]
    assert found == [
        {"n": "1", "d": 0.5, "b": True},
        {"n": "two", "d": 3.0, "b": None},
        {"n": None, "d": None, "b": None},
    ]
    (tmp_path / "s.yaml").write_text(
        head + "      - {id: p, text: x, attributes: {n: [1]}}\n", encoding="utf-8"
    )
    with pytest.raises(SuiteError, match="the attribute 'n' of prompt 'p' is a list"):
        load_suite(tmp_path / "s.yaml")


@pytest.mark.slow
def test_many_thousands_of_prompts_are_kept_as_bytes_and_come_back_the_same(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"p{n}", "task": "ab"[n % 2], "text": f"prompt {n}", "n": n, "target": str(n)}
        for n in range(40_001)
    ]
    many = load_suite(rows)
    assert not isinstance(many.tasks[0].prompts, tuple)
    by_hand = tuple(
        Task(
            task,
            "",
            tuple(
                Prompt(
                    r["id"],
                    task,
                    r["text"],
                    f"prompts:{r['n'] + 1}",
                    r["target"],
                    attributes={"n": r["n"]},
                )
                for r in rows
                if r["task"] == task
            ),
        )
        for task in "ab"
    )
    plain = Suite("prompts", "unversioned", by_hand)
    assert len(many.prompts) == len(rows)
    assert list(many.prompts) == list(plain.prompts)
    assert many == plain
    assert many.hash == plain.hash
    for place in (0, -1, 20_000, 20_001, 33_333):
        assert many.prompts[place] == plain.prompts[place]
    assert many.prompts[19_990:20_010:3] == plain.prompts[19_990:20_010:3]
    assert len(load_suite(rows, per_task=20_000).prompts) == 40_000


def test_every_format_is_named_once() -> None:
    endings = [ending for row in FORMATS.values() for ending in row.endings]
    assert len(endings) == len(set(endings))
