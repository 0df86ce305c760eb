"""The report of a comparison has a section of its own, and no other run has it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from comparing.conftest import Comparer, small

from cortexscope.cli import main
from cortexscope.comparing import Comparison
from cortexscope.document import Lines, Ranges, Section, render
from cortexscope.engine import RunRequest, run
from cortexscope.report import build_report
from cortexscope.store import Run


def section(found: Run) -> Section | None:
    return next((own for own in build_report(found).sections if own.key == "compared"), None)


@pytest.mark.slow
def test_the_report_says_what_changed(tmp_path: Path, suite_file: Path, comparer: Comparer) -> None:
    first = small(tmp_path / "first")
    second = small(
        tmp_path / "second", change=lambda m: m.model.layers[2].mlp.down_proj.weight.mul_(3)
    )
    found = comparer([f"first={first}", f"second={second}"])
    made = section(found)
    assert made is not None
    document = build_report(found)
    (figure,) = (own for own in document.figures if own.key == "compared")
    predictions, states = figure.panels
    assert isinstance(predictions, Ranges)
    assert predictions.rows == ("All prompts", "counting", "naming")
    # Of one model all values are of one size.
    assert (predictions.log, predictions.line) == (False, 0.0)
    assert isinstance(states, Lines)
    assert states.lines[0].x.tolist() == [3, 4]
    tables = {own.key for own in document.tables}
    assert {"compared_predictions", "compared_tasks", "compared_states"} <= tables
    text = str(render(document, "text"))
    for said in Comparison(found).findings:
        assert " ".join(said.split()) in " ".join(text.split())
    plain = run(
        RunRequest(
            models=(f"one={first}",),
            suite=suite_file,
            metrics=("residual_norm",),
            out=tmp_path / "plain",
            selfcheck=False,
        )
    )
    assert section(plain) is None


def test_where_the_other_model_fails_that_is_what_is_said(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Path(shutil.copytree(tiny_folder, tmp_path / "bad"))
    (bad / "model.safetensors").write_bytes(b"no weights")
    asked = ["--suite", str(suite_file), "--metric", "residual_norm", "--no-report"]
    out = ["--out", str(tmp_path / "run")]
    assert main(["compare", f"good={tiny_folder}", f"bad={bad}", *asked, *out]) == 1
    said = capsys.readouterr()
    assert "No two models read the same prompts." in said.out
    assert re.search(r"Error: bad failed, .* --resume .*model\.safetensors", said.err)
