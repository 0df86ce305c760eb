"""What can befall a run: one function a fault, and one row here.

Each does its harm while a command of the round is at work, or to what lies there, and returns how
the command ended, None where none was at work. What the harm takes away it gives back.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from _chaos_workers import name_of
from _chaos_world import Command, Ended, marked

from cortexscope.errors import RunLockedError
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import check_unlocked

if TYPE_CHECKING:
    from _chaos_round import Round

__all__ = ["FAULTS", "on_small_disk"]

_LARGE = "64m"


def _soon(around: Round) -> None:
    """Wait for a random moment of a run."""
    time.sleep(around.rng.uniform(0, around.seconds))


def _signalled(*numbers: int) -> Callable[[Round], Ended]:
    def fault(around: Round) -> Ended:
        command = around.start()
        _soon(around)
        for number in numbers:
            command.send(number)
            time.sleep(around.rng.uniform(0, 0.3))
        return command.wait()

    return fault


def _worker_killed(around: Round) -> Ended:
    command = around.start()
    names = {"workers": "backends._process", "ray": "ray::"}
    name = names.get(around.backend)
    killed = 0
    while command.lives and not killed:
        time.sleep(around.rng.uniform(0, 0.4 * around.seconds))
        if name is None:
            command.send(signal.SIGKILL)
            killed += 1
            continue
        workers = [
            process
            for process in marked(around.mark)
            if name in " ".join(process.cmdline()) or process.name() == name_of(around.mark)
        ]
        if workers:
            around.rng.choice(sorted(workers, key=lambda own: own.pid)).kill()
            killed += 1
    return command.wait()


def _disk_full(around: Round) -> Ended | None:
    """Leave the disk some pages more than what is written."""
    if around.disk is None:
        return None
    used = shutil.disk_usage(around.disk).used
    _resize(around.disk, str(used + around.rng.randrange(1, 30) * 4096))
    return around.start().wait()


def _file_too_large(around: Round) -> Ended | None:
    if around.backend == "ray":
        # Its own processes write larger files.
        return None
    return around.start(largest=around.rng.randrange(3_000, 14_000)).wait()


def _damaged(around: Round) -> None:
    """Do to files what a power loss does, or somebody's mistake."""
    if not around.out.exists():
        _signalled(signal.SIGKILL)(around)
    files = sorted(file for file in around.out.rglob("*") if file.is_file())
    files.sort(key=lambda file: file.stat().st_mtime_ns)
    last = around.rng.random() < 0.5
    for _ in range(around.rng.randint(1, 3)):
        if not files:
            return
        file = files.pop() if last else files.pop(around.rng.randrange(len(files)))
        how = around.rng.choice(("lost", "empty", "cut", "flipped"))
        around.journal.append(f"{how}: {file.relative_to(around.out)}")
        content = bytearray(file.read_bytes())
        if how == "lost":
            file.unlink()
        elif how == "empty" or len(content) < 2:
            file.write_bytes(b"")
        elif how == "cut" or file.name == "manifest.json":
            file.write_bytes(content[: around.rng.randrange(1, len(content))])
        else:
            content[around.rng.randrange(len(content))] ^= 1 << around.rng.randrange(8)
            file.write_bytes(content)


def _second(around: Round) -> Ended:
    """Start another command on the same folder, and perhaps interrupt it."""
    first = around.start()
    _soon(around)
    out = str(around.out)
    other = around.rng.choice(("resume", "force", "doctor"))
    lines = {
        "resume": around.asked(),
        "force": around.asked("--force"),
        "doctor": ["doctor", out, "--repair"],
    }
    second = around.start(lines[other])
    if around.rng.random() < 0.5:
        time.sleep(around.rng.uniform(0, around.seconds))
        second.send(signal.SIGINT)
    refused = around.heard(second.wait(), f"second {other}")
    if refused.code == 2 and "is being written by" not in refused.said:
        around.journal.append("the second was refused for another reason")
    return first.wait()


def _until_there(around: Round, command: Command) -> bool:
    """Wait for a random moment after a command has begun to write; return whether it did."""
    while command.lives:
        try:
            check_unlocked(around.out / LOCK)
        except RunLockedError:
            _soon(around)
            return True
        time.sleep(0.01)
    return False


def _moved(around: Round) -> Ended:
    command = around.start()
    aside = around.out.with_name("aside")
    if not _until_there(around, command):
        return command.wait()
    around.out.rename(aside)
    ended = command.wait()
    if around.out.exists():
        there = [str(file.relative_to(around.out)) for file in around.out.rglob("*")]
        around.wrong(f"it wrote on where the folder had been: {', '.join(sorted(there))}", ended)
        shutil.rmtree(around.out)
    aside.rename(around.out)
    return ended


def _deleted(around: Round) -> Ended:
    command = around.start()
    if not _until_there(around, command):
        return command.wait()
    shutil.rmtree(around.out, ignore_errors=True)
    ended = command.wait()
    if around.out.exists():
        there = [str(file.relative_to(around.out)) for file in around.out.rglob("*")]
        around.wrong(f"it wrote on where the folder had been: {', '.join(sorted(there))}", ended)
    # Complete a moment before it was deleted, it has to be measured again.
    return None if ended.code == 0 else ended


def _plugin_harms(around: Round) -> Ended:
    harm = around.plugin.with_name("harm")
    how = around.rng.choice(("raise", "exit", "print"))
    around.journal.append(how)
    harm.write_text(how)
    ended = around.start().wait()
    harm.unlink()
    return ended


def _plugin_unfinished(around: Round) -> Ended:
    around.world.plugin(around.folder, broken=True)
    ended = around.start().wait()
    around.world.plugin(around.folder)
    return ended


def _clock_jumps(around: Round) -> None:
    """Let what is there be of another time."""
    if not around.out.exists():
        _signalled(signal.SIGKILL)(around)
    manifest = around.out / "manifest.json"
    year = around.rng.choice(("1970", "2039", "2199"))
    if manifest.exists():
        told = json.loads(manifest.read_text(encoding="utf-8"))
        for name in ("created", "finished"):
            if told.get(name):
                told[name] = year + told[name][4:]
        manifest.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for file in sorted(around.out.rglob("*")):
        moment = around.rng.uniform(0, 7e9)
        os.utime(file, (moment, moment))


FAULTS: dict[str, Callable[[Round], Ended | None]] = {
    "SIGKILL": _signalled(signal.SIGKILL),
    "SIGINT": _signalled(signal.SIGINT),
    "SIGTERM": _signalled(signal.SIGTERM),
    "SIGINT twice": _signalled(signal.SIGINT, signal.SIGINT),
    "worker killed": _worker_killed,
    "full disk": _disk_full,
    "file too large": _file_too_large,
    "damaged files": _damaged,
    "second process": _second,
    "folder moved": _moved,
    "folder deleted": _deleted,
    "plug-in harms": _plugin_harms,
    "plug-in unfinished": _plugin_unfinished,
    "clock jumps": _clock_jumps,
}


def on_small_disk(folder: Path) -> bool:
    """Mount a file system of its own at a folder; return whether that is allowed here."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={_LARGE}", "none", str(folder)]
    return subprocess.run(line, capture_output=True).returncode == 0


def _resize(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def free_space(disk: Path | None) -> None:
    """Let the disk have room again."""
    if disk is not None:
        _resize(disk, _LARGE)


def chosen(rng: random.Random) -> list[str]:
    """Return the faults of a round, one to three."""
    return [rng.choice(sorted(FAULTS)) for _ in range(rng.choice((1, 1, 2, 3)))]
