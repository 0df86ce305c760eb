"""What measuring costs: seconds and peak memory against the bare forward pass, as JSON.

Five ways read the same random tokens with SmolLM2-135M in float32: the bare forward pass;
cortexscope with its default panel, with all metrics, and with three (`three`); and eager attention
with `output_attentions` and the same three made of what it returns. Times alternate within one
process, and the smallest of several counts, since other work on a machine only ever adds to it.
Memory is the peak of the process above what it holds before the pass, and as a whole, each in a
fresh process, since a process never gives memory back reliably.

    python benchmarks/overhead.py [--repeats N] [--lengths 24 256 1024 4096] [--ways bare panel ...]
    python benchmarks/overhead.py --real [--model demo-encoder]    # the suite, as `run` reads it
    python benchmarks/overhead.py --long    # memory of the default panel up to 32,768 tokens
    python benchmarks/overhead.py --long --blocks 4    # the same of the first 4 blocks, sooner

`gpu.py` takes the same ways to a GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from _memory import watched
from torch import Tensor, nn

BATCHES = {24: 32, 256: 4, 1024: 4, 4096: 1}
REPEATS = {24: 16, 256: 10, 1024: 4, 4096: 4}
LONG = (4096, 8192, 16384, 32768)
THREE = ("attention_entropy", "residual_norm", "near_zero_fraction")
PANELS = {"panel": None, "all": ["all"], "three": list(THREE)}
WAYS = ("bare", *PANELS, "eager")
CPU = torch.device("cpu")

Inputs = Mapping[str, Tensor]
Reader = Callable[[Inputs], Any]


def tokens(length: int, device: torch.device = CPU) -> Inputs:
    """Return a batch of random tokens, of one prompt where no batch is set for the length."""
    size = (BATCHES.get(length, 1), length)
    ids = torch.randint(100, 40_000, size, generator=torch.Generator().manual_seed(0)).to(device)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def prepare(
    way: str,
    *,
    model: str = "demo-decoder",
    device: torch.device = CPU,
    dtype: str = "float32",
    plain: bool = False,
    blocks: int | None = None,
) -> Reader:
    """Return a function that reads a batch once in the given way, with a model of its own.

    Of so many blocks, where fewer are asked for.

    Every way has its memory as `cortexscope run` has: by chance of how it lies, a bare pass alone
    takes up to a quarter longer otherwise. A plain one has it as any process has.
    """
    from cortexscope import LoadOptions, attach, load_model
    from cortexscope.engine._allocator import keep_freed_memory

    if not plain:
        keep_freed_memory()

    attention = "eager" if way == "eager" else None
    loaded = load_model(model, LoadOptions(attention=attention, device=str(device), dtype=dtype))
    backbone = loaded.module.base_model
    if blocks is not None:
        backbone.layers = backbone.layers[:blocks]
        backbone.config.num_hidden_layers = blocks
    touch(backbone)

    @torch.inference_mode()
    def measured(inputs: Inputs) -> object:
        with attach(loaded, metrics=PANELS[way]) as probe:
            backbone(**inputs, use_cache=False)
        return probe

    return {"bare": bare(backbone), "eager": eager(backbone)}.get(way, measured)


def touch(module: nn.Module) -> None:
    """Read all weights once: a fresh model's lie in its file, and do not count as held yet."""
    for weight in module.parameters():
        weight.sum()


def bare(backbone: nn.Module) -> Reader:
    """Return the forward pass alone, without the unembedding."""

    @torch.inference_mode()
    def read(inputs: Inputs) -> object:
        return backbone(**inputs, use_cache=False)

    return read


def eager(backbone: Any) -> Reader:
    """Return the forward pass that keeps all matrices, with the three statistics of them."""

    @torch.inference_mode()
    def read(inputs: Inputs) -> dict[str, Tensor]:
        last: list[Tensor] = []
        # What transformers returns for the last layer has gone through the final norm.
        hook = backbone.norm.register_forward_pre_hook(lambda _, given: last.append(given[0]))
        output = backbone(
            **inputs, use_cache=False, output_attentions=True, output_hidden_states=True
        )
        hook.remove()
        return three_statistics(output.attentions, [*output.hidden_states[:-1], *last])

    return read


def three_statistics(matrices: Iterable[Tensor], states: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the three metrics of whole matrices and states, [layer, prompt (, head)]."""
    found = (
        [entropy(matrix) for matrix in matrices],
        [norm(state) for state in states],
        [near_zero(state) for state in states],
    )
    return {name: torch.stack(values) for name, values in zip(THREE, found, strict=True)}


def entropy(matrix: Tensor) -> Tensor:
    """Return the mean entropy of each head's rows, [prompt, head]."""
    return torch.special.entr(matrix).sum(-1).mean(-1)


def norm(states: Tensor) -> Tensor:
    """Return the mean length of each prompt's states, [prompt]."""
    return torch.linalg.vector_norm(states, dim=-1).mean(-1)


def near_zero(states: Tensor) -> Tensor:
    """Return the share of each prompt's entries that are below 0.01, [prompt]."""
    return (states.abs() < 0.01).float().mean((-1, -2))


def memory(read: Reader, length: int, device: torch.device = CPU) -> dict[str, float]:
    """Return the peak memory of one pass, in MB, and its seconds.

    Whole, and above the start: after a short pass, so that what is made once does not count.
    """
    read(tokens(8, device))
    inputs = tokens(length, device)
    with watched(device) as held:
        started = time.perf_counter()
        kept = read(inputs)
        finish(device)
        took = time.perf_counter() - started
    del kept
    return {"seconds": round(took, 4), **held.costs()}


def finish(device: torch.device) -> None:
    """Wait for what a device was asked for; a GPU answers before it has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(
    readers: Mapping[str, Reader], length: int, repeats: int, device: torch.device = CPU
) -> dict[str, float]:
    """Return the smallest time of each way, measured in turn."""
    inputs = tokens(length, device)
    times: dict[str, list[float]] = {way: [] for way in readers}
    for number in range(repeats + 1):
        for way, read in readers.items():
            started = time.perf_counter()
            read(inputs)
            finish(device)
            if number:
                times[way].append(time.perf_counter() - started)
    return {way: round(min(found), 4) for way, found in times.items()}


def costs(
    times: Mapping[str, float], memory_of: Callable[[str], dict[str, float]]
) -> dict[str, dict[str, Any]]:
    """Return what each way costs, and its ratios to the bare forward pass."""
    found: dict[str, dict[str, Any]] = {
        way: {**memory_of(way), "seconds": taken} for way, taken in times.items()
    }
    for cost in found.values():
        for name in ("seconds", "peak_mb", "above_start_mb"):
            cost[name.removesuffix("_mb") + "_ratio"] = ratio(cost[name], found["bare"][name])
    return found


def ratio(value: float, base: float) -> float | None:
    """Return the quotient, None where nothing was seen to divide by."""
    return round(value / base, 3) if base else None


def child(*command: str | Path) -> Any:
    """Return what a script of its own process prints as JSON."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def memory_of(
    way: str,
    length: int,
    *,
    model: str = "demo-decoder",
    plain: bool = False,
    blocks: int | None = None,
) -> dict[str, float]:
    """Return the peak memory of one pass in a fresh process."""
    asked = ["--memory-of", way, str(length), "--model", model, *(["--plain"] if plain else [])]
    asked += [] if blocks is None else ["--blocks", str(blocks)]
    found: dict[str, float] = child(sys.executable, __file__, *asked)
    return found


def panel_costs(length: int, ways: Sequence[str], repeats: int) -> dict[str, Any]:
    """Return what the ways cost at one length."""
    times = seconds({way: prepare(way) for way in ways}, length, repeats)
    return costs(times, lambda way: memory_of(way, length))


def long_costs(length: int, blocks: int | None) -> dict[str, Any]:
    """Return the memory and the single time of the default panel and the bare forward pass."""
    found = {way: memory_of(way, length, blocks=blocks) for way in ("bare", "panel")}
    count = tokens(length)["input_ids"].numel()
    for cost in found.values():
        cost["above_start_kb_per_token"] = round(cost["above_start_mb"] * 1000 / count, 2)
    return found


def report(about: Mapping[str, object], results: Iterable[dict[str, Any]]) -> None:
    """Print each result when it is there, and all of them as one JSON object at the end."""
    kept = []
    for result in results:
        print(json.dumps(result), file=sys.stderr, flush=True)
        kept.append(result)
    whole = {
        "model": "SmolLM2-135M float32",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        **about,
        "results": kept,
    }
    print(json.dumps(whole, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, help="the same for all lengths")
    parser.add_argument("--lengths", type=int, nargs="+")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--long", action="store_true", help="memory at great lengths instead")
    parser.add_argument("--real", action="store_true", help="the built-in suite instead")
    parser.add_argument("--blocks", type=int, help="with --long, only so many blocks of the model")
    parser.add_argument("--memory-of", nargs=2, metavar=("WAY", "LENGTH"), help=argparse.SUPPRESS)
    parser.add_argument("--model", default="demo-decoder", help="with --real")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        way, length = options.memory_of
        reader = prepare(way, model=options.model, plain=options.plain, blocks=options.blocks)
        print(json.dumps(memory(reader, int(length))))
        return

    if options.real:
        from _real import real_costs

        ways = [way for way in PANELS if way in options.ways]
        report(
            {"model": options.model},
            (
                {"way": way, **real_costs(options.model, PANELS[way], options.repeats or 3)}
                for way in ways
            ),
        )
        return

    def result(length: int) -> dict[str, Any]:
        found: dict[str, Any] = {"tokens": length, "batch": tokens(length)["input_ids"].shape[0]}
        if options.long:
            return found | long_costs(length, options.blocks)
        # Eager attention at 4096 tokens would keep 18 GB of matrices.
        ways = [
            w for w in WAYS if w in {"bare", *options.ways} and (w != "eager" or length <= 1024)
        ]
        repeats = options.repeats or REPEATS.get(length, 1)
        return found | panel_costs(length, ways, repeats)

    lengths = options.lengths or (LONG if options.long else BATCHES)
    report({"blocks": options.blocks or "all"}, (result(length) for length in lengths))


if __name__ == "__main__":
    main()
