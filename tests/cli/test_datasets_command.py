"""`cortexscope tasks datasets` lists what can be asked for, and a run reads a local copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tasks.copies import write_copy

from cortexscope.cli import main
from cortexscope.store import Run


def test_every_data_set_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "datasets"]) == 0
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("squad ")]
    assert line.split()[1:6] == [
        "reading", "100", "rajpurkar/squad", "plain_text/validation", "CC-BY-SA-4.0"
    ]  # fmt: skip
    assert "38 data sets; --suite datasets:NAME[@N][=PATH]" in out


def test_the_table_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "datasets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows["gsm8k"]["hub"] == "openai/gsm8k"
    assert rows["gsm8k"]["seed"] == 0


def test_a_run_reads_a_local_copy(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"sentence": ["one two", "three", "four five"], "label": [0, 1, 1]}
    copy = write_copy(tmp_path / "copy", columns, ".parquet")
    monkeypatch.chdir(tmp_path)
    options = ["--metric", "residual_norm", "--no-report", "--quiet"]
    suite = f"datasets:sst2@2={copy}"
    assert main(["run", "--model", f"m={tiny_folder}", "--suite", suite, *options]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("datasets-sst2-2-")
    run = Run(folder)
    assert run.manifest.suite.name == "datasets:sst2@2"
    assert set(run.measurements()["task"]) == {"sentiment"}
    assert run.measurements()["prompt_id"].nunique() == 2
