"""Damage files for every parser: each is to be read or refused, soon and in little memory.

Inputs are whole ones, damaged in one to three places, the same for the same seed; each is read in
a child process. What is no sentence of cortexscope's is listed by kind, the smallest input kept.

    python benchmarks/fuzz.py [--inputs 20000] [--only gguf ...] [--seed 0] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from _fuzz_mutations import mutate
from _fuzz_parsers import PARSERS, Parser

SECONDS = 5.0
"""Of computing: on a busy machine a clock tells of the others."""
WAITING = 60.0
"""Seconds by the clock, in which even a busy machine reads what it does not wait for."""
MEMORY = 1.0
"""GB that reading an input may add to what the child held before."""
_ALONE = ("suite", "answers", "study")
_SETTLING = 120.0
"""Seconds that a child has for its first, whole input, which imports the libraries."""


class Outcome(NamedTuple):
    """What reading an input came to."""

    kind: str
    """`read`, `refused`, or what should not have been."""
    seconds: float
    """Of computing."""
    memory: float
    """GB."""


def _resident(process: int | str = "self", field: str = "VmRSS") -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e9
    return 0.0


def _computed(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def outcome_of(parser: Parser, folder: Path) -> str:
    """Return `read`, `refused`, or what reading an input came to and should not have."""
    from cortexscope.errors import CortexscopeError

    beside = set(folder.parent.iterdir())
    try:
        parser.read(folder)
        kind = "read"
    except CortexscopeError as error:
        message = str(error)
        kind = "refused" if message.isprintable() and message else f"message {message!r}"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/cortexscope/" in frame.filename]
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
        kind = f"internal {type(error).__name__} at {place}: {error!s:.120}"
    new = set(folder.parent.iterdir()) - beside
    return f"outside {sorted(path.name for path in new)}" if new else kind


def _child(name: str, asked: Connection) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    while True:
        folder = asked.recv()
        os.environ["CORTEXSCOPE_CACHE"] = str(folder.parent.parent / "cache")
        before = _resident()
        Path("/proc/self/clear_refs").write_text("5")
        started = time.process_time()
        kind = outcome_of(PARSERS[name], folder)
        seconds = time.process_time() - started
        asked.send(Outcome(kind, seconds, _resident(field="VmHWM") - before))
        shutil.rmtree(folder.parent.parent / "cache", ignore_errors=True)


class Reader:
    """A child that reads one input after another, and a fresh one after a hang or a crash."""

    def __init__(self, name: str, wholes: Sequence[Path]) -> None:
        self.name, self.wholes = name, wholes
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.asked, other = context.Pipe()
        self.child = context.Process(target=_child, args=(self.name, other), daemon=True)
        self.child.start()
        other.close()
        for whole in self.wholes:
            found = self._ask(whole, _SETTLING, 100.0)
            if found.kind != "read":
                raise SystemExit(f"{self.name}: a whole input, {whole}, is not read: {found.kind}")

    def read(self, folder: Path) -> Outcome:
        """Return what reading a damaged input came to."""
        found = self._ask(folder, SECONDS, MEMORY)
        if not self.child.is_alive():
            self._start()
        return found

    def _ask(self, folder: Path, seconds: float, memory: float) -> Outcome:
        child = self.child.pid or 0
        before, began = _resident(child), _computed(child)
        started = time.perf_counter()
        self.asked.send(folder)
        while True:
            try:
                if self.asked.poll(0.05):
                    found: Outcome = self.asked.recv()
                    over = found.memory > memory
                    return found._replace(kind=f"memory ({found.kind:.80})") if over else found
            except (EOFError, ConnectionError):
                self.child.join()
                return Outcome(f"crash, exit {self.child.exitcode}", 0.0, 0.0)
            late = time.perf_counter() - started > max(WAITING, seconds)
            spent, held = _computed(child) - began, _resident(child) - before
            if late or spent > seconds or held > memory + 1:
                self.stop()
                return Outcome("memory" if held > memory + 1 else "hang", spent, held)

    def stop(self) -> None:
        """End the child."""
        self.child.kill()
        self.child.join()


def whole_inputs(name: str, pristine: Path, scratch: Path) -> list[Path]:
    """Return folders with whole inputs: one of each file where one is read at a time."""
    if name not in _ALONE:
        return [Path(shutil.copytree(pristine, scratch / "all" / "target"))]
    folders = []
    for file in sorted(pristine.iterdir()):
        folders.append(scratch / file.name / "target")
        folders[-1].mkdir(parents=True)
        shutil.copy(file, folders[-1])
    return folders


def write_input(name: str, pristine: Path, target: Path, rng: random.Random) -> str:
    """Write one damaged input; return how it is damaged."""
    files = sorted(path for path in pristine.glob(PARSERS[name].damaged) if path.is_file())
    chosen = rng.choice(files)
    if name in _ALONE:
        target.mkdir()
        shutil.copy(chosen, target)
    else:
        shutil.copytree(pristine, target)
    return mutate(target / chosen.relative_to(pristine), rng)


def fuzz(name: str, count: int, seed: int, keep: Path | None) -> Counter[str]:
    """Read damaged inputs of a parser; print a line a kind of failure; return how many of each."""
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    rng = random.Random(f"{seed} {name}")
    slowest, largest = 0.0, 0.0
    with tempfile.TemporaryDirectory(prefix="cortexscope-fuzz-") as scratch:
        case = Path(scratch, "case")
        pristine, target = Path(scratch, "pristine"), case / "target"
        for folder in (case, pristine):
            folder.mkdir()
        PARSERS[name].make(pristine)
        reader = Reader(name, whole_inputs(name, pristine, Path(scratch, "whole")))
        for _ in range(count):
            said = write_input(name, pristine, target, rng)
            outcome = reader.read(target)
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.memory)
            if outcome.kind not in found and outcome.kind not in ("read", "refused"):
                first[outcome.kind] = said
                if keep is not None:
                    shutil.copytree(target, keep / f"{name}-{len(first)}", dirs_exist_ok=True)
            found[outcome.kind] += 1
            shutil.rmtree(case, ignore_errors=True)
            case.mkdir()
        reader.stop()
    print(
        f"{name}: {count} inputs, {found['read']} read, {found['refused']} refused, "
        f"{count - found['read'] - found['refused']} failed; slowest {slowest:.1f} s, "
        f"most memory {largest:.2f} GB",
        flush=True,
    )
    for kind, said in first.items():
        print(f"  {found[kind]} x {kind!a}\n      {said!a}", flush=True)
    return found


def main() -> int:
    """Return 1 where any input failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="of all parsers together")
    parser.add_argument("--only", nargs="+", choices=PARSERS, default=list(PARSERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the first input of each failure")
    asked = parser.parse_args()
    failed = 0
    for name in asked.only:
        found = fuzz(name, -(-asked.inputs // len(asked.only)), asked.seed, asked.keep)
        failed += found.total() - found["read"] - found["refused"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
