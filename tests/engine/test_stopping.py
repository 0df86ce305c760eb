"""A signal lets the batch under way be stored, and what was stopped goes on to the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from generated import folder_of, small_request, suite_of
from shortage import Notes, everything, lacking

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, run
from cortexscope.engine._stopping import batches_first, stops
from cortexscope.engine.passes import Reader
from cortexscope.report import write_report
from cortexscope.store import Run, examine, list_runs

LENGTHS = (12, 11, 7, 6, 4, 3, 2, 2)


@pytest.fixture(autouse=True)
def _hears_interrupts() -> Iterator[None]:
    """Have SIGINT raise, as in a terminal: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of("llama", tmp_path_factory.mktemp("stopping") / "llama")
    suite_of(folder, lengths=LENGTHS)
    return folder


def request(folder: Path, out: Path, generation: Generation | None = None) -> RunRequest:
    """Return a request of one shard of several batches, whose vectors are kept and used."""
    asked = small_request(folder, out, generation)
    return replace(
        asked,
        metrics=("residual_norm", "surprisal", "cka"),
        settings=replace(asked.settings, shard_batches=3),
    )


def signalled(patch: pytest.MonkeyPatch, number: int, *, at: int, times: int = 1) -> None:
    """Send this process a signal while the n-th pass is under way."""
    real, left = Reader.forward, [at]

    def forward(self: Reader, **inputs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            for _ in range(times):
                signal.raise_signal(number)
        return real(self, **inputs)

    patch.setattr(Reader, "forward", forward)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_batch_under_way_is_kept_and_the_rest_follows(
    folder: Path, tmp_path: Path, number: int, raised: type[BaseException], at: int
) -> None:
    asked = request(folder, tmp_path / "stopped")
    whole = run(replace(asked, out=tmp_path / "whole"))
    before = signal.getsignal(number)
    notes = Notes()
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, number, at=at)
        with pytest.raises(raised):
            run(asked, notes)
    assert signal.getsignal(number) is before
    assert sum("stops after the batch under way" in said for said in notes.said) == 1
    stopped = Run(asked.out)
    kept = stopped.measurements()["prompt_id"].nunique()
    assert 0 < kept < len(LENGTHS)
    assert stopped.manifest.status == "running"
    assert list_runs(tmp_path)[0].state == "unfinished"
    assert examine(asked.out) == []
    assert not list(tmp_path.rglob(".part-*"))
    read: list[str] = []
    real = Reader.run

    def watched(self: Reader, batch: Any, **inputs: Any) -> Any:
        read.extend(item.prompt.id for item in batch.items)
        return real(self, batch, **inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "run", watched)
        resumed = run(replace(asked, resume=True))
    assert len(read) == len(LENGTHS) - kept
    assert resumed.manifest.status == "complete"
    assert everything(resumed) == everything(whole)


@pytest.mark.slow
def test_generated_texts_go_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    asked = request(folder, tmp_path / "stopped", Generation(tokens=3, sample=True, seed=1))
    whole = run(replace(asked, out=tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        # Two batches of four passes each.
        signalled(patch, signal.SIGINT, at=6)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    assert 0 < len(Run(asked.out).generations()) < len(LENGTHS)
    resumed = run(replace(asked, resume=True))
    assert resumed.measurements_table(steps=True).equals(whole.measurements_table(steps=True))
    assert everything(resumed) == everything(whole)


@pytest.mark.slow
def test_halves_that_are_kept_stay_when_memory_holds_the_rest(folder: Path, tmp_path: Path) -> None:
    asked = request(folder, tmp_path / "stopped")
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, MemoryError(), holds=1, step=False)
        whole = run(replace(asked, out=tmp_path / "whole"))
        signalled(patch, signal.SIGINT, at=1)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
        noted = Run(asked.out).manifest.halved["tiny"]
    assert Run(asked.out).measurements()["prompt_id"].nunique() == 1
    with pytest.MonkeyPatch.context() as patch:
        lacking(patch, MemoryError(), holds=1, step=False)
        resumed = run(replace(asked, resume=True))
    assert everything(resumed) == everything(whole)
    assert resumed.manifest.halved["tiny"][: len(noted)] == noted


def test_a_second_signal_stops_at_once(folder: Path, tmp_path: Path) -> None:
    asked = request(folder, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, signal.SIGINT, at=1, times=2)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    assert not asked.out.exists()
    assert not stops()


def test_a_part_of_which_a_bit_has_changed_is_measured_again(folder: Path, tmp_path: Path) -> None:
    asked = request(folder, tmp_path / "stopped")
    whole = run(replace(asked, out=tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, signal.SIGINT, at=1)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    (file,) = asked.out.glob("vectors/*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    notes = Notes()
    resumed = run(replace(asked, resume=True), notes)
    assert any("measures again what" in said for said in notes.said)
    assert everything(resumed) == everything(whole)


@pytest.mark.slow
def test_a_report_of_what_is_there_can_be_written(folder: Path, tmp_path: Path) -> None:
    asked = request(folder, tmp_path / "stopped")
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, signal.SIGINT, at=2)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    page = write_report(Run(asked.out)).report.read_text(encoding="utf-8")
    assert "not finished" in page


def test_other_threads_and_ignored_signals_are_left_alone() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with batches_first(lambda text: None):
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
            signal.raise_signal(signal.SIGTERM)
            assert not stops()
    finally:
        signal.signal(signal.SIGTERM, before)


def _defaults() -> None:
    # Processes in the background of a shell inherit that it ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "how", "workers"),
    [
        (signal.SIGINT, 130, "Interrupted", "1"),
        (signal.SIGTERM, 143, "Ended by SIGTERM", "2"),
    ],
)
def test_the_command_ends_with_its_code_and_goes_on(
    folder: Path, tmp_path: Path, number: int, code: int, how: str, workers: str
) -> None:
    out, suite = tmp_path / "run", tmp_path / "long.csv"
    texts = (" ".join(f"w{3 + (i * k) % 90}" for k in range(60)) for i in range(200))
    suite.write_text("task,id,text\n" + "".join(f"t,p{i},{t}\n" for i, t in enumerate(texts)))
    asked = ["run", "--model", f"tiny={folder}", "--suite", str(suite), "--metric", "residual_norm"]
    asked += ["--batch-tokens", "64", "--no-report", "--no-selfcheck"]
    asked += ["--workers", workers, "--threads", "1", "--out"]
    command = [sys.executable, "-m", "cortexscope", *asked]
    log = tmp_path / "log"

    def sent(when: Callable[[str], bool]) -> int:
        with log.open("w") as file:
            process = subprocess.Popen([*command, str(out)], stderr=file, preexec_fn=_defaults)
            while process.poll() is None and not when(log.read_text()):
                time.sleep(0.01)
            process.send_signal(number)
            return process.wait(300)

    assert sent(lambda said: "reading" in said) == code
    last = log.read_text().splitlines()[-1]
    assert last == (
        f"Error: {how}; what is finished is kept, and the same with --out {out} --resume goes on."
    )
    kept = Run(out).measurements()["prompt_id"].nunique()
    assert 0 < kept < 200
    assert main([*asked, str(out), "--resume"]) == 0
    assert main([*asked, str(tmp_path / "whole")]) == 0
    assert everything(Run(out)) == everything(Run(tmp_path / "whole"))
