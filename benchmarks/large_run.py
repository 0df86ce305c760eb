"""Write a run folder as large as a large study, with made-up values, for measuring what reads it.

10,000 prompts of 12 tasks by 10 models of different depth and heads, one of them an
encoder-decoder: 30 million rows, written by the writer of real runs. Tasks differ in number, in
length and in their values, which follow length too; some are undefined, and say why.

    python benchmarks/large_run.py FOLDER [--scale 0.01] [--models 34] [--force]

With 34 models, which are those ten over and over, it is 100 million rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.metrics import METRICS
from cortexscope.records import Manifest, ModelInfo, Prompt, StackKind, SuiteInfo
from cortexscope.store import MEASUREMENTS, SCHEMA_VERSION, Run, RunWriter
from cortexscope.tasks import load_suite

PROMPTS = 10_000
PROMPTS_PER_SHARD = 1000
NAMES = (
    "study.final_activation", "study.attention_entropy", "study.max_sparsity",
    "attention_entropy", "attention_entropy_normalized", "attention_sink_mass",
    "attention_distance", "residual_norm", "residual_growth", "near_zero_fraction", "hoyer",
    "cosine_within",
)  # fmt: skip
WHY = "no attention layers"


@dataclass(frozen=True, slots=True)
class Size:
    """What of a model decides how many rows it has."""

    label: str
    kind: StackKind
    layers: int
    heads: int

    @property
    def stacks(self) -> tuple[str, ...]:
        """The names of its stacks."""
        return ("encoder", "decoder") if self.kind == "encoder-decoder" else (self.kind,)

    def info(self) -> ModelInfo:
        """Return its record in the manifest."""
        width = 64 * self.heads
        return ModelInfo(
            model=self.label, reference=f"./{self.label}", name=self.label, revision=None,
            family="made up", stack_kind=self.kind, parameters=12 * self.layers * width**2,
            layers=self.layers, heads=self.heads, kv_heads=self.heads, hidden_size=width,
            vocabulary=32_000, context=4096, dtype="float32", attention="sdpa",
        )  # fmt: skip


MODELS = (
    Size("decoder-a", "decoder", 12, 6), Size("decoder-b", "decoder", 8, 8),
    Size("decoder-c", "decoder", 16, 4), Size("decoder-d", "decoder", 6, 10),
    Size("decoder-e", "decoder", 10, 6), Size("decoder-f", "decoder", 8, 9),
    Size("encoder-a", "encoder", 6, 12), Size("encoder-b", "encoder", 4, 12),
    Size("encoder-c", "encoder", 12, 5), Size("pair", "encoder-decoder", 4, 8),
)  # fmt: skip


def sizes(number: int) -> list[Size]:
    """Return this many models: those of `MODELS` over and over, each with a label of its own."""
    rounds = [divmod(place, len(MODELS)) for place in range(number)]
    return [
        replace(
            MODELS[own], label=f"{MODELS[own].label}-{again + 1}" if again else MODELS[own].label
        )
        for again, own in rounds
    ]


def prompts_of(number: int, rng: np.random.Generator) -> tuple[list[Prompt], np.ndarray]:
    """Return prompts of all tasks and their lengths, the tasks unequal in number and length."""
    tasks = sorted(task.name for task in load_suite("cognitive").tasks)
    shares = rng.dirichlet(np.full(len(tasks), 8.0))
    counts = np.maximum(2, np.round(shares * number)).astype(int)
    counts[counts.argmax()] += number - counts.sum()
    every = rng.permutation(np.repeat(np.arange(len(tasks)), counts))
    logs = rng.normal(3.5 + 0.08 * every, 0.5)
    prompts = [
        Prompt(f"{tasks[task]}-{place:05d}", tasks[task], f"prompt {place} of {tasks[task]}")
        for place, task in enumerate(every)
    ]
    return prompts, np.clip(np.exp(logs), 4, 2000).astype(np.int32)


def places_of(size: Size, axes: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return the layers and heads that a metric has values for."""
    if "layer" not in axes:
        return [(None, None)]
    if "head" not in axes:
        return [(layer, None) for layer in range(size.layers + 1)]
    return [(layer, head) for layer in range(size.layers) for head in range(size.heads)]


def rows_of(
    size: Size, prompts: Sequence[Prompt], lengths: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Return the measurements of a shard, one prompt after the other as a run has them."""
    specs = {name: METRICS.load(name).spec for name in NAMES}
    columns = [
        (name, stack, *place)
        for stack in size.stacks
        for name, spec in specs.items()
        for place in places_of(size, spec.axes)
    ]
    metric, stack, layer, head = map(list, zip(*columns, strict=True))
    wide, n = len(columns), len(prompts)
    task = [prompt.task for prompt in prompts]
    _, effect = np.unique(task, return_inverse=True)
    low = np.array([specs[name].bounds[0] or 0.0 for name in metric])
    high = np.array([specs[name].bounds[1] or np.inf for name in metric])
    centre = np.where(np.isfinite(high), (low + np.minimum(high, 1e9)) / 2, low + 5)
    # What length does and where a place lies are of the model, not of the shard.
    slope, place = np.random.default_rng(len(size.label) + 7 * size.layers).normal(
        0, 0.02, (2, wide)
    )
    values = centre * (
        1
        + 0.05 * place
        + np.outer(0.01 * effect, np.sign(place))
        + np.outer(np.log(lengths), slope)
        + rng.normal(0, 0.1, (n, wide))
    )
    values = np.clip(values, low, high)
    undefined = rng.random((n, wide)) < 1e-4

    def repeated(texts: Sequence[str]) -> pa.Array:
        names, codes = np.unique(np.array(texts), return_inverse=True)
        numbers = pa.array(np.tile(codes, n), pa.int32())
        return pa.DictionaryArray.from_arrays(numbers, names.tolist())

    def of_prompts(texts: Sequence[str]) -> pa.Array:
        numbers = np.repeat(np.arange(n), wide)
        return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), list(texts))

    def numbers(column: Sequence[int | None], name: str) -> pa.Array:
        one = pa.array(column, MEASUREMENTS.field(name).type)
        return one.take(pa.array(np.tile(np.arange(wide), n)))

    missing = undefined.ravel()
    tokens = np.repeat(lengths, wide)
    made: dict[str, Any] = {
        "model": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(n * wide, np.int32)), [size.label]
        ),
        "task": of_prompts(task),
        "prompt_id": of_prompts([prompt.id for prompt in prompts]),
        "n_tokens": pa.array(tokens),
        "metric": repeated(metric),
        "stack": repeated(stack),
        "layer": numbers(layer, "layer"),
        "head": numbers(head, "head"),
        "index": pa.nulls(n * wide, pa.int32()),
        "value": pa.array(values.ravel(), mask=missing),
        "reason": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(n * wide, np.int32), mask=~missing), [WHY]
        ),
        "step": pa.nulls(n * wide, pa.int32()),
        "tokens_used": pa.array(tokens, mask=missing),
    }
    return pa.table(made).cast(MEASUREMENTS)


def write(
    folder: Path,
    *,
    scale: float = 1.0,
    models: Sequence[Size] = MODELS,
    seed: int = 0,
    force: bool = False,
) -> Run:
    """Write the run and return it; `scale` is of the number of prompts, 48 at least."""
    rng = np.random.default_rng(seed)
    prompts, lengths = prompts_of(max(48, round(PROMPTS * scale)), rng)
    starts = range(0, len(prompts), PROMPTS_PER_SHARD)
    when = "2026-01-01T00:00:00+00:00"
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        status="running",
        created=when,
        versions={"cortexscope": "made up"},
        models=[size.info() for size in models],
        suite=SuiteInfo(
            name="made up",
            version="1",
            hash="0" * 64,
            tasks=sorted({prompt.task for prompt in prompts}),
            prompts=len(prompts),
        ),
        metrics={name: METRICS.load(name).spec for name in NAMES},
        settings={},
        shards={size.label: len(starts) for size in models},
    )
    writer = RunWriter(folder, manifest, prompts, force=force)
    for size in models:
        # Each tokenizer has its own lengths.
        own = np.maximum(2, lengths * rng.normal(1.0, 0.05, len(lengths))).astype(np.int32)
        for number, start in enumerate(starts):
            part = slice(start, start + PROMPTS_PER_SHARD)
            writer.write_shard(size.label, number, rows_of(size, prompts[part], own[part], rng))
    writer.finish(when)
    return Run(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of prompts")
    parser.add_argument("--models", type=int, default=len(MODELS), help="how many")
    parser.add_argument("--force", action="store_true", help="replace the run that is there")
    asked = parser.parse_args()
    run = write(asked.folder, scale=asked.scale, models=sizes(asked.models), force=asked.force)
    rows = sum(pq.read_metadata(file).num_rows for file in run.measurement_files())
    print(f"{asked.folder}: {rows:,} rows of {run.manifest.suite.prompts:,} prompts")


if __name__ == "__main__":
    main()
