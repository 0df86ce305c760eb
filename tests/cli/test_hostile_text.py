"""Text of others reaches a terminal, a page and a spreadsheet as text, and no more."""

from __future__ import annotations

import csv
import io
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.table import Table

import cortexscope.cli._terminal as terminal
from cortexscope.cli import main
from cortexscope.cli._progress import Bar, Lines
from cortexscope.errors import StoreError
from cortexscope.files import as_csv
from cortexscope.texts import plain, plain_lines, shortened

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp\r"
BAD = ("\x1b", "\x07", "\x9b", "\u202e", "\r")


def harmless(text: str) -> bool:
    return not any(character in text for character in BAD)


def test_a_message_is_one_bounded_line_whatever_names_it_holds() -> None:
    error = StoreError(f"The file {ESCAPE}\nis wrong; delete it.")
    assert harmless(str(error))
    assert "\n" not in str(error)
    long = str(StoreError(f"The name {'x' * 100_000} is wrong; give another."))
    assert len(long) == 2000
    assert long.startswith("The name xxx")
    assert long.endswith("is wrong; give another.")


def test_words_of_all_scripts_stay_as_they_are() -> None:
    for text in ("naïve", "漢字", "می\u200cخواهم", "👩\u200d💻 dog", "e\u0301", "𝔘"):
        assert plain(text) == plain_lines(text) == shortened(text, 99) == text


@pytest.mark.parametrize("debug", [False, True])
def test_an_attention_kernel_of_a_config_is_shown_as_text(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((tiny_folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "model_type": ESCAPE * 999}))
    asked = ["run", "--model", str(folder), "--out", str(tmp_path / "run")]
    assert main([*asked, *["--debug"] * debug]) in (1, 2)
    said = capsys.readouterr()
    assert harmless(said.err + said.out)
    if not debug:
        assert len(said.err) < 2100
        assert said.err.count("\n") == 1


def test_a_misspelt_verb_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"ru{ESCAPE}"]) == 2
    assert harmless(capsys.readouterr().err)


def test_what_is_printed_holds_neither_markup_nor_control(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table(title=f"[red]title[/red]{ESCAPE}")
    table.add_column(f"[b]head{ESCAPE}", no_wrap=True)
    table.add_row(f"[link=http://x]cell[/link] :smile: {ESCAPE}")
    terminal.display(table)
    terminal.say(f"[red]line{ESCAPE}\nnext")
    for progress in (Lines(), Bar()):
        progress.note(f"[red]note{ESCAPE}")
        progress.begin(f"[red]label{ESCAPE}", 10, 0)
        progress.advance(f"[red]label{ESCAPE}", 10)
        progress.end(f"[red]label{ESCAPE}")
    said = capsys.readouterr()
    assert harmless(said.out + said.err)
    for shown in ("[red]title[/red]", "[b]head", "[link=http://x]cell[/link] :smile:", "[red]line"):
        assert shown in said.out
    assert said.err.count("[red]note") == 2
    assert "[red]label" in said.err


def test_what_libraries_say_is_one_bounded_line() -> None:
    logger = logging.getLogger("cortexscope-test-of-voices")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    before = warnings.formatwarning
    with terminal.outside_voices():
        logger.error("loaded %s\n%s", ESCAPE, "y" * 9999)
        warned = warnings.formatwarning(f"{ESCAPE}\nand {'z' * 9999}", UserWarning, "file", 1)
    logger.removeHandler(handler)
    for said in (stream.getvalue(), warned):
        assert harmless(said)
        assert said.count("\n") == 1
        assert len(said) < 2100
    assert warnings.formatwarning is before
    assert logging.getLogRecordFactory() is logging.LogRecord


FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\tx", "\rx", "\n=1", "＝1")


def test_no_cell_of_a_csv_file_is_a_formula_and_numbers_are_left_alone() -> None:
    frame = pd.DataFrame(
        {
            "@name": [*FORMULAS, "plain", "-3", "+1.5e3", None],
            "value": [-1.5, 2, np.nan, 1e-20, 0.1, -7, 1 / 3, 5, 6, 7, 8, 9],
            "count": pd.array([-1, None, *range(10)], dtype="Int16"),
            "wide": pd.Categorical(["=a"] * 12),
        }
    )
    rows = list(csv.reader(io.StringIO(as_csv(frame), newline="")))
    assert rows[0] == ["'@name", "value", "count", "wide"]
    names = [row[0] for row in rows[1:]]
    shown = [text.replace("\r", "\n") for text in FORMULAS]
    assert names == [*(f"'{text}" for text in shown), "plain", "-3", "+1.5e3", ""]
    values = [float(row[1]) if row[1] else None for row in rows[1:]]
    assert values == [None if np.isnan(value) else value for value in frame["value"]]
    assert [row[2] for row in rows[1:4]] == ["-1", "", "0"]
    assert {row[3] for row in rows[1:]} == {"'=a"}
    usual = frame.drop(columns=["@name", "wide"])
    assert as_csv(usual) == usual.to_csv(index=False, lineterminator="\n")


def test_a_pipe_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.display("x" * 500)
    assert capsys.readouterr().out == "x" * 500 + "\n"
    assert not sys.stdout.isatty()
