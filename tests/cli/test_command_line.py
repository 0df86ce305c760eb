"""The command line as a user meets it: sentences, exit codes, speed of a first answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cortexscope import __version__
from cortexscope.cli import app, main
from cortexscope.store import Run


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"cortexscope {__version__}\n"


def test_help_of_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = [[command.callback.__name__] for command in app.registered_commands if command.callback]
    assert len(verbs) > 15
    for verb in ([], ["models"], ["tasks"], ["metrics"], *verbs):
        assert main([*verb, "--help"]) == 0
        said = capsys.readouterr().out
        assert "Usage" in said
        # What a docstring tells programmers is nothing for a user.
        assert "Raises:" not in said


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, cortexscope; from cortexscope.cli import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'pandas', 'matplotlib', 'plotly', 'pyarrow', 'scipy'}; "
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert output.endswith("loaded []\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runn"], "No such command 'runn'. Did you mean 'run'"),
        (["run"], "No model was named; name one with --model, such as demo-decoder."),
        (["run", "--modle", "x"], "No such option: --modle"),
        (["run", "--model", "demo-decodr"], "did you mean 'demo-decoder'?"),
        (["run", "--model", "demo-decoder", "--task", "maths"], "There is no task 'maths'"),
        (["run", "--model", "demo-decoder", "--metric", "entropi"], "There is no metric 'entropi'"),
        (["run", "--model", "demo-decoder", "--suite", "cognitiv"], "did you mean 'cognitive' or"),
        (["run", "--model", "demo-decoder", "--dtype", "fp12"], "There is no dtype 'fp12'"),
        (["run", "--model", "demo-decoder", "--near-zero", "0"], "it must be above zero"),
        (["run", "--model", "demo-decoder", "--resume"], "--resume needs --out"),
        (["run", "--preset", "studdy"], "study"),
        (["metrics", "show", "residual"], "did you mean 'residual_norm'"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "show", "residual", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_prints_a_summary_and_where_the_report_is(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = ["run", "--model", f"tiny={tiny_folder}", "--suite", str(suite_file), "--out", str(out)]
    assert main([*asked, "--metric", "study", "--metric", "attention"]) == 0
    captured = capsys.readouterr()
    assert f"Report: {out / 'report.html'}" in captured.out
    assert "tiny" in captured.out
    assert "tiny: reading" in captured.err
    assert (out / "report.html").stat().st_size > 100_000
    assert (out / "tables" / "tables.xlsx").is_file()
    assert {"task_matrix", "task_map", "length", "depth"} <= {
        path.stem for path in (out / "figures").glob("*.png")
    }
    assert main([*asked, "--force", "--quiet", "--metric", "residual_norm"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.slow
def test_a_run_without_attention_metrics_is_reported(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    asked = ["run", "--model", str(tiny_folder), "--suite", str(suite_file), "--out", str(out)]
    assert main([*asked, "--metric", "residual_norm", "--task", "naming"]) == 0
    assert set(Run(out).measurements()["metric"]) == {"residual_norm"}


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_measurements(tiny_folder: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.csv"
    texts = (" ".join(["one", "two", "three"][: 1 + i % 3] * (1 + i % 20)) for i in range(120))
    suite.write_text("task,id,text\n" + "".join(f"t,p{i},{t}\n" for i, t in enumerate(texts)))
    command = [sys.executable, "-m", "cortexscope", "run", "--model", f"tiny={tiny_folder}"]
    command += ["--suite", str(suite), "--batch-tokens", "64", "--no-report", "--quiet"]
    command += ["--no-selfcheck", "--metric", "study"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, "--out", str(whole)], check=True)
    process = subprocess.Popen([*command, "--out", str(killed)])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(killed.glob("measurements/[!.]*.parquet")):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run = Run(killed)
    assert run.manifest.status == "running"
    assert 0 < len(run.measurement_files()) < run.manifest.shards["tiny"]
    subprocess.run([*command, "--out", str(killed), "--resume"], check=True)
    assert Run(killed).measurements_table().equals(Run(whole).measurements_table())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("tasks show mathematical_reasoning", "math-"),
        ("metrics list", "metric "),
        ("run --help", " "),
        ("--help", " "),
    ],
)
def test_a_closed_pipe_is_no_error(asked: str, first: str) -> None:
    command = f"{sys.executable} -m cortexscope {asked}"
    found = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"], capture_output=True, text=True
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(first)


@pytest.mark.parametrize("called", ["main()", "main(['--version'])"])
def test_a_process_that_ends_does_not_look_for_cycles(called: str) -> None:
    code = (
        "import gc, sys; from cortexscope.cli import main; "
        f"sys.argv[1:] = ['--version']; code = {called}; print(gc.get_freeze_count() > 0, code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Who calls it from Python goes on.
    assert ended.stdout.split()[-2:] == [str(called == "main()"), "0"]
