"""What reading a run costs: seconds, seconds of CPU and peak memory of each way to read it.

Each reading is a fresh process, and makes its statistics anew: what the run's folder keeps of them
is removed first. On a machine that others use, judge by the seconds of CPU.

    python benchmarks/large_run.py FOLDER
    python benchmarks/reading.py FOLDER [--only tables ...] [--limit SECONDS]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

METRIC = "attention_entropy_normalized"
FRAME = """
import sys, cortexscope
frame = cortexscope.open_profile(sys.argv[1]).frame(sys.argv[2])
print(len(frame), "rows")
"""


class Cost(NamedTuple):
    """What a reading took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of CPU, of all threads together."""
    memory: float
    """The most that the process held, in GB."""
    status: int
    """Of its exit, 0 where it succeeded."""


def readings(folder: Path) -> dict[str, list[str]]:
    """Return the readings by name, as arguments of the Python that runs them."""
    command = ["-m", "cortexscope"]
    return {
        "frame": ["-c", FRAME, str(folder), METRIC],
        "one table": [*command, "tables", str(folder), "--only", "1"],
        "tables": [*command, "tables", str(folder)],
        "stats": [*command, "stats", str(folder), "--metric", METRIC],
        "report": [*command, "report", str(folder)],
    }


def measured(arguments: Sequence[str], *, limit: float | None = None) -> Cost:
    """Return what a Python with these arguments takes, ended after `limit` seconds."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    timer = threading.Timer(limit or 1e6, process.kill)
    timer.start()
    # Unlike `resource.getrusage`, this is of the one process.
    _, status, used = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        wall=time.perf_counter() - started,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss * 1024 / 1e9,
        status=process.returncode,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these readings")
    parser.add_argument("--limit", type=float, help="seconds after which a reading is ended")
    asked = parser.parse_args()
    print("| reading | seconds | seconds of CPU | GB |\n|---|---|---|---|")
    for name, arguments in readings(asked.folder).items():
        if asked.only is None or name in asked.only:
            shutil.rmtree(asked.folder / "stats" / "kept", ignore_errors=True)
            cost = measured(arguments, limit=asked.limit)
            failed = "" if cost.status == 0 else f" (exit {cost.status})"
            print(f"| {name}{failed} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.memory:.2f} |")


if __name__ == "__main__":
    main()
