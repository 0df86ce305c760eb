"""How long a night's work takes on more workers: computed from what a finished run measured.

    python benchmarks/scaling.py RUN --models 50 --prompts 10000

prints the table of docs/scaling.md. Measured are tokens a second, seconds to load and check, and
bytes a prompt, of the run's first model; all else is computed of them, as if the workers were
that fast and disturbed each other nowhere.
"""

from __future__ import annotations

import argparse
import math

from cortexscope.store import Run

WORKERS = (1, 8, 64, 1000)


def hours(workers: int, models: int, *, ready: float, reading: float, shards: int) -> float:
    """Return the hours that models take.

    Args:
        workers: how many there are.
        models: all alike.
        ready: seconds until a worker has loaded and checked a model.
        reading: seconds of one worker for all prompts of a model.
        shards: of a model, of which a worker does one at a time.
    """
    if workers <= models:
        return math.ceil(models / workers) * (ready + reading) / 3600
    each = min(workers // models, shards)
    return (ready + math.ceil(shards / each) * reading / shards) / 3600


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--prompts", type=int, default=10_000)
    asked = parser.parse_args()
    run = Run(asked.run)
    label = run.manifest.models[0].model
    spent = run.manifest.timings[label]
    measured = run.manifest.suite.prompts
    size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file()) / measured
    size /= len(run.manifest.models)
    rate = spent["tokens"] / spent["measure_seconds"]
    ready = spent["load_seconds"] + spent.get("check_seconds", 0)
    tokens = spent["tokens"] / measured * asked.prompts
    shards = math.ceil(run.manifest.shards[label] / measured * asked.prompts)
    print(
        f"Measured of {label} on {measured} prompts: {rate:,.0f} tokens a second, {ready:.1f} s to "
        f"load and check, {size / 1000:,.0f} kB a prompt. Computed for {asked.models} such models "
        f"and {asked.prompts:,} prompts of {spent['tokens'] / measured:.0f} tokens ({shards:,} "
        "shards a model):\n"
    )
    print("| workers | hours | times as fast | MB a second to the driver |\n|---|---|---|---|")
    parts = {"ready": ready, "reading": tokens / rate, "shards": shards}
    alone = hours(1, asked.models, **parts)  # type: ignore[arg-type]
    for workers in WORKERS:
        own = hours(workers, asked.models, **parts)  # type: ignore[arg-type]
        flow = asked.models * asked.prompts * size / 1e6 / (own * 3600)
        print(f"| {workers:,} | {own:,.2f} | {alone / own:,.0f} | {flow:,.2f} |")


if __name__ == "__main__":
    main()
