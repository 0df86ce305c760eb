"""How near plans come: rows, bytes, memory and seconds told against those of the run, as JSON.

Both demo models, three panels, two tasks of the built-in suite. A plan and the run of the same
options take turns, each a fresh process; where other work comes and goes, only the seconds differ.
Memory is the peak of the run's process, without tables and report.

    python benchmarks/plans.py [--models demo-encoder demo-decoder] [--panels attention ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

PANELS: dict[str, list[str]] = {
    "attention": ["--metric", "attention"],
    "default": [],
    "two": ["--metric", "study.attention_entropy", "--metric", "residual_norm"],
}
TASKS = ["--task", "mathematical_reasoning", "--task", "technical_code"]


def command(verb: str, model: str, panel: str) -> list[str]:
    """Return the command line of a verb of the benchmark."""
    program = [sys.executable, "-m", "cortexscope", verb, "--model", model, *TASKS]
    return [*program, *PANELS[panel], "--quiet"]


def planned(model: str, panel: str) -> dict[str, float]:
    """Return what the plan tells."""
    line = [*command("plan", model, panel), "--json"]
    (found,) = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)["models"]
    return {
        "rows": found["rows"],
        "bytes": found["bytes"],
        "memory": found["memory"]["total"],
        "seconds": sum(found["seconds"].values()),
    }


def run(model: str, panel: str) -> dict[str, float]:
    """Return what the run takes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        line = [*command("run", model, panel), "--no-report", "--out", str(out)]
        process = subprocess.Popen(line)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(line)} failed")
        files = [path for path in out.rglob("*") if path.is_file()]
        (timings,) = json.loads((out / "manifest.json").read_text())["timings"].values()
        return {
            "rows": sum(pq.read_metadata(path).num_rows for path in out.glob("measurements/*")),
            "bytes": sum(path.stat().st_size for path in files),
            "memory": usage.ru_maxrss * 1024,
            "seconds": sum(n for name, n in timings.items() if name.endswith("_seconds")),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was told, what came, and by which share they differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=["demo-encoder", "demo-decoder"])
    parser.add_argument("--panels", nargs="+", default=list(PANELS), choices=list(PANELS))
    given = parser.parse_args(arguments)
    for model in given.models:
        for panel in given.panels:
            told, came = planned(model, panel), run(model, panel)
            row: dict[str, Any] = {"model": model, "panel": panel, "told": told, "came": came}
            row["error"] = {name: round(told[name] / came[name] - 1, 3) for name in told}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
