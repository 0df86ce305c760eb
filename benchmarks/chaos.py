"""Disturb runs by kills, signals and faults: each is to be completed by what it says, to the bit.

A round disturbs a run of two tiny models one to three times, by faults of `_chaos_faults.py` at
random moments, and does what the run's last sentence says until it is complete. What was measured
must be that of an undisturbed run, byte by byte, and nothing may be left behind: no process, no
half-written file, no lock. What is random is the same for the same seed, but for what the machine
does meanwhile.

    python benchmarks/chaos.py [--rounds 300] [--seed 0] [--backends local,workers,ray]
    python benchmarks/chaos.py --first 17 --rounds 1 --verbose

Prints a line a round that failed, with what repeats it, and a summary; exit code 1 if any failed.
A disk that is full is a small file system, which only root may mount: others do without.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _chaos_round import Round, everything
from _chaos_world import Command, World

BACKENDS = ("local", "workers", "ray")


def undisturbed(world: World, backend: str) -> tuple[dict[str, bytes], float]:
    """Return what a run measures, and how many seconds it takes."""
    out = Path(tempfile.mkdtemp(dir=world.folder), backend)
    line = world.arguments(out, world.plugin(world.folder), backend)
    started = time.monotonic()
    ended = Command(line, out.with_suffix(".log"), "undisturbed").wait()
    if ended.code != 0:
        raise SystemExit(f"the undisturbed run failed: {ended.said}")
    return everything(out), time.monotonic() - started


def main() -> int:
    """Return 1 where any round failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--verbose", action="store_true", help="say what happens in every round")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    backends = asked.backends.split(",")
    if unknown := {*backends} - {*BACKENDS}:
        parser.error(f"unknown backends {', '.join(sorted(unknown))}; there are {BACKENDS}")
    failed, did = 0, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="cortexscope-chaos-") as scratch:
        os.environ["CORTEXSCOPE_CACHE"] = str(Path(scratch, "cache"))
        world = World(Path(scratch))
        seconds: dict[str, float] = {}
        expected, _ = undisturbed(world, "local")
        for backend in backends:
            found, seconds[backend] = undisturbed(world, backend)
            print(f"{backend}: undisturbed {seconds[backend]:.1f} s", flush=True)
            if found != expected:
                raise SystemExit(f"{backend} measures something else than local")
        for number in range(asked.first, asked.first + asked.rounds):
            backend = backends[number % len(backends)]
            seed = f"{asked.seed} {number} {backend}"
            with Round(world, backend, seed, seconds[backend]) as tried:
                tried.carry_out(expected)
            did.update(tried.done)
            failed += bool(tried.faults)
            if tried.faults or asked.verbose:
                again = f"--seed {asked.seed} --first {number} --rounds 1"
                state = "FAILED" if tried.faults else "completed"
                print(f"round {number} {backend} {state} ({again} --backends {asked.backends})")
                for line in (*tried.journal, *tried.faults):
                    print(f"    {line}", flush=True)
    faults = ", ".join(f"{name} {times}" for name, times in sorted(did.items()))
    print(f"{asked.rounds} rounds, {failed} failed; {faults}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
