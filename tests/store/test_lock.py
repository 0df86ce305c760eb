"""A run folder has one writer at a time: a second one is told who it is, and touches nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from generated import folder_of, small_request, suite_of

from cortexscope.engine import Generation, RunRequest, Silent, run
from cortexscope.errors import RunLockedError
from cortexscope.store import Run
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock, check_unlocked

pytestmark = pytest.mark.slow

_HOLD = """
import sys
from pathlib import Path
from cortexscope.store._lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def other_writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder's lock until it is told, or killed."""
    command = [sys.executable, "-c", _HOLD, str(folder / LOCK)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != LOCK
    }


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> RunRequest:
    """A run of which one shard is finished, and the next one half written."""
    folder = folder_of("llama", tmp_path_factory.mktemp("lock") / "llama")
    suite_of(folder, lengths=(7, 12, 3, 10))
    request = small_request(folder, folder.parent / "run", Generation(tokens=2))

    class Interrupting(Silent):
        left = 2

        def advance(self, model: str, tokens: int) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(request, Interrupting())
    return request


@pytest.mark.parametrize("asked", [{"resume": True}, {"force": True}, {}])
def test_a_second_writer_is_told_of_the_first_and_touches_nothing(
    interrupted: RunRequest, asked: dict[str, bool]
) -> None:
    out = interrupted.out
    half = out / "measurements" / ".part-0badcafe-00-tiny-00001.parquet"
    half.write_bytes(b"half")
    before = contents(out)
    assert "manifest.json" in before
    with other_writer(out) as process:
        command = [
            *(sys.executable, "-m", "cortexscope", "run", "--out", str(out)),
            *("--model", interrupted.models[0], "--suite", str(interrupted.suite)),
            *(f"--{name}" for name in asked),
        ]
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.returncode == 2
        assert f"is being written by process {process.pid} on {os.uname().nodename}" in found.stderr
        assert "wait until it has ended" in found.stderr.replace("\n", " ")
        assert contents(out) == before
    half.unlink()


def test_a_killed_writer_keeps_nobody_out(interrupted: RunRequest, tmp_path: Path) -> None:
    resumed = replace(interrupted, resume=True)
    with other_writer(resumed.out) as process:
        process.kill()
        process.wait()
        # What it left is there, and no lock.
        assert (resumed.out / LOCK).exists()
        check_unlocked(resumed.out / LOCK)
        finished = run(resumed)
    assert not (resumed.out / LOCK).exists()
    whole = run(replace(interrupted, out=tmp_path / "run"))
    assert finished.measurements_table().equals(whole.measurements_table())
    assert Run(resumed.out).remarks == ()


def test_a_lock_is_free_again_when_it_is_released(tmp_path: Path) -> None:
    file = tmp_path / "run" / LOCK
    lock = RunLock(file)
    with pytest.raises(RunLockedError, match="this very process"):
        RunLock(file)
    lock.release()
    lock.release()
    assert not file.exists()
    again = RunLock(file)
    # Of two that are let go, the first must not take the file of the second.
    lock.release()
    assert file.exists()
    again.release()


def test_a_file_system_without_locks_is_told_of(
    interrupted: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Notes(Silent):
        lines: ClassVar[list[str]] = []

        def note(self, text: str) -> None:
            self.lines.append(text)

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    finished = run(replace(interrupted, out=tmp_path / "run"), Notes())
    assert finished.remarks == ()
    assert sum("a file system without locks" in line for line in Notes.lines) == 1
