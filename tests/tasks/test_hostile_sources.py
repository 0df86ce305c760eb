"""Suites that claim, pack or wait without end are refused in one sentence, and soon."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import threading
import zipfile
from pathlib import Path

import openpyxl
import pytest

from cortexscope.errors import SuiteError
from cortexscope.tasks import load_suite

ROW = "task,id,text\nlogic,a-1,Why?\n"


def test_a_pipe_is_read_and_one_without_a_writer_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    with pytest.raises(SuiteError, match=r"pipe.csv is a pipe into which nothing writes"):
        load_suite(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = path.open("w")
    os.close(reader)

    def write() -> None:
        with writer:
            writer.write(ROW)

    threading.Timer(0.2, write).start()
    lines = tmp_path / "pipe"
    lines.symlink_to(path)
    assert [prompt.text for prompt in load_suite(lines, format="csv").prompts] == ["Why?"]


def test_what_is_no_file_in_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(ROW)
    os.mkfifo(tmp_path / "z.csv")
    os.mkfifo(tmp_path / "z.yaml")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "up").symlink_to(tmp_path)
    assert len(load_suite(tmp_path).prompts) == 1


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(path: str) -> None:
    with pytest.raises(SuiteError, match=f"{path} is neither a file, a folder nor a pipe"):
        load_suite(path)


def workbook(path: Path, row: int, *, sized: bool) -> None:
    """Write a workbook whose last cell is at the far end."""
    book, held = openpyxl.Workbook(), io.BytesIO()
    book.active["A1"], book.active["A2"] = "text", "Why?"
    book.save(held)
    with zipfile.ZipFile(held) as made, zipfile.ZipFile(path, "w") as odd:
        for name in made.namelist():
            content = made.read(name)
            if name.endswith("sheet1.xml"):
                cells = (f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in (2, 400, row))
                content = re.sub(rb'<row r="2".*</row>', "".join(cells).encode(), content)
                size = b'<dimension ref="A1:XFD1048576"/>' if sized else b""
                content = re.sub(rb"<dimension.*?/>", size, content)
            odd.writestr(name, content)


@pytest.mark.parametrize(("row", "sized"), [(500, True), (10**12, False)])
def test_a_workbook_of_empty_cells_is_refused(tmp_path: Path, row: int, sized: bool) -> None:
    workbook(tmp_path / "s.xlsx", row, sized=sized)
    with pytest.raises(SuiteError, match=r"more than 4,194,304 empty cells .* sheet 'Sheet'"):
        load_suite(tmp_path / "s.xlsx")


@pytest.mark.slow
def test_a_gzipped_file_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.gz"
    lines = b'{"task": "t", "id": "a", "text": "b"}\n' + b" " * 2**20 + b"\n"
    with gzip.open(path, "wb") as file:
        for _ in range(150):
            file.write(lines)
    with pytest.raises(SuiteError, match="it unpacks to more than"):
        load_suite(path)


@pytest.mark.parametrize("what", ["bomb", "locked", "method"])
def test_a_log_that_is_packed_oddly_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s.eval"
    sample = json.dumps({"id": 1, "input": "Why?", "target": "So."})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("samples/1_epoch_1.json", sample)
        for number in range(3 if what == "bomb" else 0):
            log.writestr(f"samples/{number}_epoch_2.json", b" " * 2**25)
    content = bytearray(path.read_bytes())
    head, entry = content.find(b"PK\x03\x04"), content.find(b"PK\x01\x02")
    if what == "locked":
        content[head + 6] |= 1
        content[entry + 8] |= 1
    if what == "method":
        content[head + 8] = content[entry + 10] = 14  # LZMA, which it is not
    path.write_bytes(bytes(content))
    with pytest.raises(SuiteError, match=r"s.eval (unpacks from|cannot be read as a log)"):
        load_suite(path)


def test_a_row_that_is_nested_deep_is_refused_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    text = "[" * 900 + "]" * 900
    path.write_text(f'{{"task": "t", "id": "a", "text": {text}}}\n')
    with pytest.raises(SuiteError, match=r"s.jsonl:1: (the row is nested too deep|this is not)"):
        load_suite(path)
