"""What measuring costs: seconds and peak memory against the bare forward pass, as JSON.

Four ways read the same random tokens with SmolLM2-135M in float32: the bare forward pass;
cortexscope with its default metrics; eager attention with `output_attentions` and
`output_hidden_states` and the same eight statistics made of what it returns; and that eager pass
with nothing made of it. Times alternate within one process, and the smallest of several counts,
since other work on a machine only ever adds to it.
Memory is the peak of the process above what it holds before the pass, and as a whole, each in a
fresh process, since a process never gives memory back reliably.

    python benchmarks/overhead.py [--repeats N] [--lengths 24 256 1024 4096] [--no-eager]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

BATCHES = {24: 32, 256: 4, 1024: 4, 4096: 1}
REPEATS = {24: 16, 256: 10, 1024: 4, 4096: 4}
WAYS = ("bare", "cortexscope", "eager", "eager_forward")


def prepare(way: str, length: int) -> Callable[[], object]:
    """Return a function that reads a batch once in the given way."""
    from cortexscope import attach, load_model

    model = load_model("demo-decoder", attention="eager" if "eager" in way else None)
    ids = torch.randint(
        100, 40_000, (BATCHES[length], length), generator=torch.Generator().manual_seed(0)
    )
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    backbone = model.module.base_model

    @torch.inference_mode()
    def bare() -> object:
        return backbone(**inputs, use_cache=False)

    @torch.inference_mode()
    def eager_forward() -> Any:
        return backbone(
            **inputs, use_cache=False, output_attentions=True, output_hidden_states=True
        )

    @torch.inference_mode()
    def eager() -> object:
        return eight_statistics(eager_forward())

    @torch.inference_mode()
    def cortexscope() -> object:
        with attach(model) as probe:
            backbone(**inputs, use_cache=False)
        return probe

    return {
        "bare": bare,
        "cortexscope": cortexscope,
        "eager": eager,
        "eager_forward": eager_forward,
    }[way]


def eight_statistics(output: Any) -> list[torch.Tensor]:
    """Return the eight metrics from whole matrices, the plain way, one layer at a time."""
    made: list[torch.Tensor] = []
    sums = []
    for matrix in output.attentions:
        rows = torch.special.entr(matrix).sum(-1)
        ceiling = torch.arange(1, rows.shape[-1] + 1).log()
        made += [rows.mean(-1), (rows[..., 1:] / ceiling[1:]).mean(-1), matrix[..., 1:, 0].mean(-1)]
        sums.append(rows.sum(-1).mean(-1))
    shares = []
    for states in output.hidden_states:
        shares.append((states.abs() < 0.01).float().mean((-1, -2)))
        made += [torch.linalg.vector_norm(states, dim=-1).mean(-1), shares[-1]]
    final = output.last_hidden_state.mean((-1, -2))
    return [*made, torch.stack(sums).mean(0), torch.stack(shares).amax(0), final]


def resident() -> int:
    """Return the memory this process holds now, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def memory(way: str, length: int) -> dict[str, float]:
    """Return the peak memory of one pass in this process, in MB: whole, and above the start."""
    read = prepare(way, length)
    before = resident()
    peak = before
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    kept = read()
    done.set()
    watcher.join()
    del kept
    return {"peak_mb": round(peak / 1e6), "above_start_mb": round((peak - before) / 1e6)}


def seconds(length: int, ways: list[str], repeats: int) -> dict[str, float]:
    """Return the smallest time of each way, measured in turn."""
    readers = {way: prepare(way, length) for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(repeats + 1):
        for way, read in readers.items():
            started = time.perf_counter()
            read()
            if number:
                times[way].append(time.perf_counter() - started)
    return {way: round(min(found), 4) for way, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, help="the same for all lengths")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--no-eager", action="store_true")
    parser.add_argument("--memory-of", nargs=2, metavar=("WAY", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        way, length = options.memory_of
        print(json.dumps(memory(way, int(length))))
        return
    results = []
    for length in options.lengths:
        # Eager attention at 4096 tokens would keep 18 GB of matrices.
        ways = [w for w in WAYS if "eager" not in w or (length <= 1024 and not options.no_eager)]
        found: dict[str, Any] = {"tokens": length, "batch": BATCHES[length]}
        times = seconds(length, ways, options.repeats or REPEATS[length])
        for way in ways:
            child = [sys.executable, __file__, "--memory-of", way, str(length)]
            peak = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
            found[way] = {"seconds": times[way], **peak}
        found["seconds_ratio"] = round(times["cortexscope"] / times["bare"], 3)
        found["peak_ratio"] = round(found["cortexscope"]["peak_mb"] / found["bare"]["peak_mb"], 3)
        if "eager" in ways:
            found["faster_than_eager"] = round(times["eager"] / times["cortexscope"], 2)
        results.append(found)
        print(json.dumps(found), file=sys.stderr, flush=True)
    print(
        json.dumps(
            {
                "model": "SmolLM2-135M float32",
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "results": results,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
