"""`cortexscope lesion` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from families import tiny_model
from lesioning.conftest import save

from cortexscope.cli import main
from cortexscope.store import Run


@pytest.mark.slow
def test_findings_come_first_and_the_folder_is_a_run(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = ["lesion", f"m={tiny_folder}", "--suite", str(suite_file), "--out", str(out)]
    only = ["--metric", "residual_norm", "--metric", "attention_entropy"]
    capsys.readouterr()
    assert main([*asked, *only, "--part", "mlp", "--part", "heads", "--top", "3"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("- m: without one of 2 MLPs, bits per byte change in ")
    assert "without one of 3 heads (the foremost of 8 by estimate)" in " ".join(told.split())
    assert f"Run: {out}" in told
    run = Run(out)
    assert run.manifest.status == "complete"
    names = {path.stem for path in (out / "stats").glob("lesion_*.csv")}
    assert names == {
        "lesion_effects", "lesion_specific", "lesion_estimates", "lesion_agreement",
        "lesion_measures",
    }  # fmt: skip
    report = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="lesion"' in report
    assert "Which measure predicts need?" in report
    assert ": nan" not in report


@pytest.mark.slow
def test_a_model_that_predicts_nothing_is_told_so(
    suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "bert", tiny_model("bert"))
    asked = ["lesion", f"m={folder}", "--suite", str(suite_file), "--out", str(tmp_path / "run")]
    only = ["--metric", "residual_norm", "--no-report", "--no-selfcheck"]
    capsys.readouterr()
    assert main([*asked, *only, "--part", "layers", "--part", "heads"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for kind in ("layers", "heads"):
        assert f"m: {kind} are not judged: the model has no language-model head." in told


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--part", "head"], "no kind of part 'head' that can be taken out; did you mean 'heads'"),
        (["--loss", "entropy"], "cannot be judged by 'entropy', which is neither surprisal nor kl"),
        (["--loss", "attention_entropi"], "did you mean 'attention_entropy'"),
        (["--loss", "cka"], "cannot be judged by cka: it has one value a task"),
        (["--loss", "induction_score"], "it has one value a model"),
        (["--top", "0"], "Invalid value for '--top'"),
        (
            ["--part", "experts", "--truncate"],
            "m has no experts that can be taken out; it has layers, attention, mlp, heads, neurons",
        ),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(
    options: list[str],
    sentence: str,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lesion", f"m={tiny_folder}", *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert not list(tmp_path.iterdir())
