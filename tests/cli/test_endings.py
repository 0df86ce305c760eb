"""However a command ends early, it says so, keeps what is finished, and never ends with 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cortexscope.cli import main
from cortexscope.metrics import METRICS
from cortexscope.store import Run

pytestmark = pytest.mark.slow

_INTERRUPT = (signal.SIGINT, 130, "Interrupted")
_TERMINATE = (signal.SIGTERM, 143, "Ended by SIGTERM")
_ENDINGS = [
    ("loading", *_INTERRUPT),
    ("measuring", *_INTERRUPT),
    ("measuring", *_TERMINATE),
    ("writing", *_TERMINATE),
]


def _defaults() -> None:
    # Processes in the background of a shell inherit that it ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stopped(
    command: list[str], number: int, when: Callable[[str], bool], log: Path
) -> tuple[int, str]:
    """Send a signal when standard error, or the disk, says that it is time."""
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=file, preexec_fn=_defaults
        )
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline and not when(log.read_text()):
            time.sleep(0.005)
        os.kill(process.pid, number)
        process.wait(300)
    return process.returncode, log.read_text()


@pytest.fixture
def long_suite(tmp_path: Path) -> Path:
    suite = tmp_path / "suite.csv"
    texts = (" ".join(["one", "two", "three"][: 1 + i % 3] * (1 + i % 20)) for i in range(400))
    suite.write_text(
        "task,id,text\n" + "".join(f"t{i % 2},p{i},{t}\n" for i, t in enumerate(texts))
    )
    return suite


def _command(folder: Path, suite: Path, *more: str) -> list[str]:
    asked = ["run", "--model", f"tiny={folder}", "--suite", str(suite), "--no-selfcheck"]
    asked += ["--metric", "residual_norm", "--batch-tokens", "64"]
    return [sys.executable, "-m", "cortexscope", *asked, *more]


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "number", "code", "how"), _ENDINGS)
def test_a_signal_is_one_sentence_and_what_is_finished_is_kept(
    tiny_folder: Path,
    long_suite: Path,
    tmp_path: Path,
    phase: str,
    number: int,
    code: int,
    how: str,
) -> None:
    out = tmp_path / "run"
    when: dict[str, Callable[[str], bool]] = {
        "loading": lambda said: "tiny: loading" in said,
        "measuring": lambda said: any(out.glob("measurements/[!.]*.parquet")),
        "writing": lambda said: "writing tables" in said,
    }
    command = _command(tiny_folder, long_suite, "--out", str(out))
    found, said = _stopped(command, number, when[phase], tmp_path / "log")
    assert (found, said.count("Traceback")) == (code, 0)
    last = said.splitlines()[-1]
    assert last.startswith(f"Error: {how}; what is finished is kept")
    if phase != "writing":
        assert last.endswith(f", and the same with --out {out} --resume goes on.")
    else:
        assert last.endswith(f", and `cortexscope report {out}` writes the report.")
    assert not list(tmp_path.rglob(".part-*"))
    if phase == "measuring":
        run = Run(out)
        assert run.manifest.status == "running"
        assert 0 < len(run.measurement_files()) < run.manifest.shards["tiny"]
        subprocess.run([*command, "--resume", "--no-report"], check=True)
        assert Run(out).manifest.status == "complete"
        assert Run(out).measurements()["prompt_id"].nunique() == 400
    elif phase == "writing":
        assert Run(out).manifest.status == "complete"


_PLUGIN = """
from cortexscope.metrics import MeanOverStates, MetricSpec
{on_import}

class Mine(MeanOverStates):
    spec = MetricSpec(
        name="mine",
        title="Mine",
        unit="hidden-state units",
        axes=("layer",),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Mean norm.",
        source="a test",
    )

    def __init__(self, options):
        {on_making}
        super().__init__(options)

    def value(self, seen):
        {on_value}
        return seen.norms
"""
_PLACES = ("on_import", "on_making", "on_value")


@pytest.fixture
def own_table() -> Iterator[None]:
    before = set(METRICS.names())
    yield
    for name in set(METRICS.names()) - before:
        METRICS.drop(name)


@pytest.mark.usefixtures("own_table")
@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise SystemExit", "SystemExit"),
        ("import sys; sys.exit()", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import argparse; argparse.ArgumentParser().exit()", "SystemExit: 0"),
    ],
)
@pytest.mark.parametrize("place", _PLACES)
def test_a_plug_in_that_ends_the_program_is_named_and_does_not_end_it_well(
    tiny_folder: Path,
    suite_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    shown: str,
    place: str,
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(_PLUGIN.format(**{**dict.fromkeys(_PLACES, "pass"), place: statement}))
    lines = file.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if statement in text)
    asked = _command(tiny_folder, suite_file, "--plugin", str(file), "--metric", "mine")[3:]
    # What cannot even be imported is an input that is wrong.
    at_import = place == "on_import" and "Keyboard" not in statement
    assert main([*asked, "--out", str(tmp_path / "run")]) == (2 if at_import else 1)
    *before, said = capsys.readouterr().err.splitlines()
    failed = before[-1] if before else ""
    assert said.startswith("Error: ")
    # While it measures, a metric costs no more than itself.
    alone = place == "on_value" and "Keyboard" not in statement
    assert failed.startswith("Failed: mine of tiny: ") == alone
    told = failed if alone else said
    assert f"{file}, line {line}" in told
    assert shown in told
    assert (tmp_path / "run").exists() == alone


def test_any_other_verb_says_that_the_same_again_does_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("cortexscope.store.examine", interrupted)
    assert main(["doctor", str(tmp_path)]) == 143
    assert capsys.readouterr().err == (
        "Error: Ended by SIGTERM; what is finished is kept, and the same again does the rest.\n"
    )
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("asked", "expected", "said"),
    [
        (["--version"], 0, ""),
        # It found an error in the suite, as was asked.
        (["tasks", "lint", "SUITE"], 1, ""),
        (["tasks", "lint", "no such suite"], 130, "Error: There is no suite"),
    ],
)
def test_a_signal_at_the_very_end_of_the_program_ends_it_as_it_would_have(
    tmp_path: Path, asked: list[str], expected: int, said: str
) -> None:
    suite = tmp_path / "s.csv"
    suite.write_text("task,id,text\na,1,One two\na,2,One two\n")
    line = [str(suite) if own == "SUITE" else own for own in asked]
    # What a shell starts in the background ignores SIGINT, and so do all that it starts.
    hears = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = (
        f"import sys, signal\nfrom cortexscope.cli import main\n{hears}\n"
        f"sys.argv = ['cortexscope', *{line}]\nmain()\nsignal.raise_signal(signal.SIGINT)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == expected
    assert found.stderr.startswith(said) if said else not found.stderr


def test_the_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for code in ("0 done", "1 something failed", "2 the command line", "130 and 143 ended by"):
        assert code in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")
@pytest.mark.parametrize("verb", [["metrics", "list"], ["--help"], ["metrics", "list", "--json"]])
def test_output_to_a_full_disk_is_one_sentence(verb: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "cortexscope", *verb],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert found.returncode == 1
    assert found.stderr == (
        "Error: The output cannot be written: the disk is full; free some space.\n"
    )
