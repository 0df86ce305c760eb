"""`cortexscope selfcheck`, and the quick form of it before a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import Tensor

from cortexscope.cli import main
from cortexscope.records import Manifest
from cortexscope.store import Run
from cortexscope.taps._stack import StackWatch
from cortexscope.taps._statistics import Rows, Statistics


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tap count one key too many in the second layer."""
    attention = StackWatch.attention

    def miscounted(self: StackWatch, rows: Statistics, visible: Tensor, whole: Rows) -> None:
        attention(self, rows, visible + (self.layer == 2), whole)

    monkeypatch.setattr(StackWatch, "attention", miscounted)


def test_it_prints_a_table_that_fits_80_columns(
    tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selfcheck", f"tiny={tiny_folder}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["check", "verdict", "worst", "at", "tolerance"]
    assert any(line.startswith("visible keys") and "holds" in line for line in lines)
    assert any(line.startswith("attention_entropy") for line in lines)
    assert lines[-1] == "tiny: all 14 checks that apply hold."


def test_a_failure_names_check_and_layer(
    tiny_folder: Path, broken: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selfcheck", f"tiny={tiny_folder}"]) == 1
    written = capsys.readouterr()
    assert "FAILS" in written.out
    assert "tiny fails the check 'visible keys' in decoder 2" in written.err
    assert len(written.err.splitlines()) == 1


def test_json_holds_every_check(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selfcheck", f"tiny={tiny_folder}", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["model"] == "tiny"
    rows = {row["check"]: row for row in content["checks"]}
    assert rows["visible keys"]["passed"] is True
    assert rows["expert load"]["passed"] is None
    assert rows["bf16 residual_norm"]["median"] is not None


def test_a_model_that_is_not_there_is_a_wrong_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selfcheck", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.startswith("Error: ")


def measure(tiny_folder: Path, suite_file: Path, out: Path, *options: str) -> int:
    return main(
        [
            *("run", "--model", f"tiny={tiny_folder}", "--suite", str(suite_file)),
            *("--out", str(out), "--quiet", "--no-report", *options),
        ]
    )


def test_a_run_notes_what_the_quick_checks_found(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    assert measure(tiny_folder, suite_file, tmp_path / "run") == 0
    manifest = Run(tmp_path / "run").manifest
    checks = {finding.check: finding.passed for finding in manifest.checks["tiny"]}
    assert checks["padding right"]
    assert checks["eager attention"]
    assert checks["block order"]
    assert checks["outputs unchanged"]
    assert manifest.timings["tiny"]["check_seconds"] > 0


@pytest.mark.slow
def test_a_run_stops_where_a_quick_check_fails(
    tiny_folder: Path,
    suite_file: Path,
    tmp_path: Path,
    broken: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert measure(tiny_folder, suite_file, tmp_path / "run") == 1
    message = capsys.readouterr().err
    assert "tiny fails the check 'visible keys' in decoder 2" in message
    assert f"cortexscope selfcheck {tiny_folder}" in message
    assert "--no-selfcheck" in message
    assert not (tmp_path / "run").exists()
    assert measure(tiny_folder, suite_file, tmp_path / "run", "--no-selfcheck") == 0
    assert Run(tmp_path / "run").manifest.checks == {}


def test_attention_is_checked_only_where_it_is_measured(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, broken: None
) -> None:
    assert measure(tiny_folder, suite_file, tmp_path / "run", "--metric", "residual_norm") == 0
    checks = [finding.check for finding in Run(tmp_path / "run").manifest.checks["tiny"]]
    assert "hidden states" in checks
    assert "visible keys" not in checks


def test_a_manifest_without_checks_still_opens(
    tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    measure(tiny_folder, suite_file, tmp_path / "run", "--no-selfcheck")
    content = json.loads((tmp_path / "run" / "manifest.json").read_text())
    del content["checks"]
    assert Manifest.model_validate(content).checks == {}
