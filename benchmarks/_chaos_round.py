"""One round: a run is disturbed, what it says is followed, and what it measured is compared."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from _chaos_faults import FAULTS, chosen, free_space, on_small_disk
from _chaos_world import Command, Ended, World, marked

from cortexscope.errors import CortexscopeError
from cortexscope.store import Run, examine

__all__ = ["Round", "everything"]

_STEPS = 10
"""Sentences that are followed at most."""
_CODES = (0, 1, 2, 130, 143, -2, -9, -15)
_LEAVING = 120.0
"""Seconds for the processes of a round to be gone; the agents of a Ray whose driver is killed
take one minute."""


def everything(run: Path) -> dict[str, bytes]:
    """Return the bytes of all that was measured, by the file's name."""
    return {
        str(file.relative_to(run)): file.read_bytes()
        for part in ("measurements", "vectors", "generations")
        for file in sorted((run / part).iterdir())
    }


class Round:
    """A run that is disturbed.

    Args:
        world: of all rounds.
        backend: `local`, `workers` or `ray`.
        seed: of all that is random.
        seconds: that an undisturbed run takes.
    """

    def __init__(self, world: World, backend: str, seed: str, seconds: float) -> None:
        self.world, self.backend, self.seconds = world, backend, seconds
        self.rng = random.Random(seed)
        self.mark = seed
        self.folder = world.folder / re.sub(r"\W", "-", seed)
        self.journal: list[str] = []
        """What happened."""
        self.faults: list[str] = []
        """What is wrong with that."""
        self.done: list[str] = []
        """The names of the faults."""
        self.disk: Path | None = None
        self._complete = False
        self._commands: list[Command] = []

    def __enter__(self) -> Round:
        self.folder.mkdir()
        self.plugin = self.world.plugin(self.folder)
        disk = self.folder / "disk"
        self.disk = disk if on_small_disk(disk) else None
        disk.mkdir(exist_ok=True)
        self.out = disk / "run"
        return self

    def __exit__(self, *_: object) -> None:
        for command in self._commands:
            command.send(9)
        for process in marked(self.mark):
            process.kill()
        if self.disk is not None:
            subprocess.run(["umount", "--lazy", str(self.disk)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def asked(self, way: str = "--resume") -> list[str]:
        """Return the command line of the run, with `--resume` or `--force`."""
        return [*self.world.arguments(self.out, self.plugin, self.backend), way]

    def start(self, line: Sequence[str] | None = None, *, largest: int | None = None) -> Command:
        """Start a command, or let the run go on; a complete one is replaced, to be disturbed."""
        log = self.folder / f"{len(self._commands)}.log"
        if line is None:
            line = self.asked("--force" if self._complete else "--resume")
        self._complete = False
        self._commands.append(Command(line, log, self.mark, largest=largest))
        return self._commands[-1]

    def heard(self, ended: Ended, what: str) -> Ended:
        """Note how a command ended, and whether it should not have."""
        last = ended.said.strip().splitlines()[-1:] or [""]
        self.journal.append(f"{what}: exit {ended.code}: {last[0][:600]}")
        if ended.code is None:
            self.wrong(f"{what} hung", ended)
        elif ended.code not in _CODES:
            self.wrong(f"{what} ended by {ended.code}", ended)
        if "itself failed" in ended.said or "Traceback" in ended.said:
            self.wrong(f"{what} failed by an error of its own", ended)
        return ended

    def wrong(self, what: str, ended: Ended | None = None) -> None:
        """Note a fault of what was disturbed."""
        self.faults.append(what + (f":\n{ended.said[-1500:]}" if ended else ""))

    def carry_out(self, expected: dict[str, bytes]) -> None:
        """Disturb the run, follow what it says, and compare."""
        for name in chosen(self.rng):
            self.journal.append(name)
            self.done.append(name)
            ended = FAULTS[name](self)
            if ended is not None:
                self.heard(ended, name)
            if ended is None or self.rng.random() < 0.5:
                self._follow(ended)
        if not self._complete:
            self._follow(None)
        self._compare(expected)

    def _follow(self, ended: Ended | None) -> None:
        """Do what a command says until the run is complete."""
        if ended is None and self.out.exists() and self.rng.random() < 0.3:
            self._obey("doctor")
        for _ in range(_STEPS):
            ended = ended or self.heard(self.start(self.asked()).wait(), "goes on")
            if ended.code == 0:
                self._complete = True
                return
            if not self._advised(ended):
                self.wrong("says nothing that helps", ended)
                return
            ended = None
        self.wrong("what it says leads nowhere")

    def _advised(self, ended: Ended) -> bool:
        """Do what a sentence says before the run goes on; return whether it said anything."""
        if ended.code is None or ended.code < 0:
            # Killed, it cannot say anything.
            return True
        said = ended.said.strip().splitlines()[-1] if ended.said.strip() else ""
        free_space(self.disk)
        if "move that folder away" in said:
            (self.out / "measurements").rename(self.folder / f"aside-{len(self._commands)}")
        elif "doctor" in said:
            self._obey("doctor")
        elif "--force" in said and "--resume" not in said:
            self.heard(self.start(self.asked("--force")).wait(), "replaces")
        elif "wait until it has ended" in said:
            while any(command.lives for command in self._commands):
                time.sleep(0.05)
        else:
            if "into another folder" in said:
                self.out = self.out.with_name(f"run-{len(self._commands)}")
                return True
            return "--resume" in said or "the same again" in said
        return True

    def _obey(self, verb: str) -> None:
        ended = self.heard(self.start([verb, str(self.out)]).wait(), verb)
        if "--repair" in ended.said:
            self.heard(self.start([verb, str(self.out), "--repair"]).wait(), "repairs")

    def _compare(self, expected: dict[str, bytes]) -> None:
        try:
            run = Run(self.out)
            if run.manifest.status != "complete" or run.manifest.failed:
                self.wrong(f"ends {run.manifest.status}, failed {run.manifest.failed}")
            found = everything(self.out)
            others = [
                name
                for name in sorted({*found, *expected})
                if found.get(name) != expected.get(name)
            ]
            if others:
                self.wrong(f"measured something else: {', '.join(others)}")
            for trouble in examine(self.out):
                self.wrong(f"{trouble.file} {trouble.what}")
        except (CortexscopeError, OSError) as error:
            self.wrong(f"cannot be read: {error}")
        # A folder that the run was to leave for another one is as it was left.
        left = [file.name for file in self.out.rglob(".part-*")]
        if left or (self.out / ".lock").exists():
            self.wrong(f"left behind {left or '.lock'}")
        ends = time.monotonic() + _LEAVING
        while marked(self.mark) and time.monotonic() < ends:
            time.sleep(0.2)
        for process in marked(self.mark):
            self.wrong(f"left a process behind: {' '.join(process.cmdline())[:200]}")
