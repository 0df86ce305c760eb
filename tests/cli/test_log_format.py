"""With --log-format json, every line of standard error is an event."""

from __future__ import annotations

import json
import logging
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cortexscope.cli import main
from cortexscope.cli._progress import Events
from cortexscope.cli._terminal import log_format, outside_voices


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(datetime.fromisoformat(one["time"]).tzinfo for one in found)
    return found


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_run_tells_what_it_does(
    tiny_folder: Path,
    suite_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    asked = ["run", "--model", f"tiny={tiny_folder}", "--suite", str(suite_file), "--no-report"]
    asked += ["--metric", "residual_norm", "--out", str(tmp_path / "run")]
    form = ["--log-format", "json"] if where == "before" else ["--log-format=json"]
    assert main([*form, *asked] if where == "before" else [*asked, *form]) == 0
    found = events(capsys)
    names = [one["event"] for one in found]
    assert names.index("note") < names.index("begin") < names.index("end")
    begin, end = (next(one for one in found if one["event"] == name) for name in ("begin", "end"))
    assert begin["tokens"] == 0
    assert begin["of"] == end["of"] == end["tokens"] > 0
    assert end["tokens_per_second"] > 0
    assert end["memory"] is None or end["memory"] > 10_000_000


def test_an_error_is_an_event_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["report", str(tmp_path / "no\x1b[31mne"), "--log-format", "json"]) != 0
    (error,) = events(capsys)
    assert error["event"] == "error"
    assert error["exit_code"] > 0
    assert main(["report", "--mispelt", "--log-format", "json"]) == 2
    (error,) = events(capsys)
    assert error["exit_code"] == 2


def test_another_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "list", "--log-format", "xml"]) == 2
    assert capsys.readouterr().err == "Error: --log-format is 'xml'; give text or json.\n"
    assert main(["tasks", "list", "--log-format"]) == 2


def test_progress_counts_what_was_measured_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cortexscope.cli._progress._EVERY", 0.0)
    progress = Events()
    with log_format("json"):
        progress.begin("tiny", 100, 40)
        progress.advance("tiny", 10)
        progress.advance("tiny", 50)
        progress.end("tiny")
    begin, far, end = events(capsys)
    assert [one["tokens"] for one in (begin, far, end)] == [40, 50, 100]
    assert far["event"] == "progress"
    assert far["of"] == 100


def test_warnings_and_log_records_of_libraries_are_events(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with log_format("json"), outside_voices(), warnings.catch_warnings():
        warnings.simplefilter("always")
        handler = logging.StreamHandler()
        logger = logging.getLogger("elsewhere")
        logger.addHandler(handler)
        logger.propagate = False
        try:
            logger.warning("two\nlines %d", 3)
        finally:
            logger.removeHandler(handler)
        text = warnings.formatwarning("old", DeprecationWarning, "file", 1)
    (record,) = events(capsys)
    assert record["event"] == "log"
    assert record["logger"] == "elsewhere"
    assert json.loads(text)["text"] == "DeprecationWarning: old"
