"""Runs made of numbers that resemble real ones; no model is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from cortexscope.records import Manifest, MetricSpec, ModelInfo, Prompt, SuiteInfo
from cortexscope.store import MEASUREMENTS, SCHEMA_VERSION, Run, RunWriter

TASKS = {
    "factual_questions": 12,
    "creative_writing": 22,
    "mathematical_reasoning": 52,
    "emotional_content": 24,
    "technical_code": 30,
    "philosophical_queries": 18,
    "conversational_chat": 20,
    "logical_puzzles": 40,
    "scientific_explanations": 11,
    "language_tasks": 26,
    "instruction_following": 14,
    "commonsense_reasoning": 23,
}
_KINDS: dict[str, tuple[str, str, tuple[Literal["layer", "head", "expert", "share"], ...]]] = {
    "study.final_activation": ("Final activation (study)", "hidden-state units", ()),
    "study.attention_entropy": ("Attention entropy (study)", "nats", ()),
    "study.max_sparsity": ("Largest sparsity (study)", "1", ()),
    "attention_entropy": ("Attention entropy", "nats", ("layer", "head")),
    "attention_entropy_normalized": ("Normalised attention entropy", "1", ("layer", "head")),
    "attention_sink_mass": ("Attention sink mass", "1", ("layer", "head")),
    "residual_norm": ("Residual norm", "hidden-state units", ("layer",)),
    "near_zero_fraction": ("Near-zero fraction", "1", ("layer",)),
}
METRICS = tuple(_KINDS)
_KINDS |= {
    "expert_load": ("Expert load", "share", ("layer", "expert")),
    "router_entropy": ("Router entropy", "nats", ("layer",)),
}
ROUTED = tuple(_KINDS)
_KINDS |= {
    "cumulative_mass": ("Mass held by the largest features", "share", ("layer", "share")),
    "neuron_cumulative_mass": ("Mass held by the largest neurons", "share", ("layer", "share")),
}
_KINDS |= {
    "mlp_contribution": ("MLP's share of the stream", "1", ("layer",)),
    "attention_distance_relative": ("Attention distance, relative", "1", ("layer", "head")),
    "treves_rolls_population": ("Population sparseness", "1", ("layer",)),
    "block_influence": ("Block influence", "1", ("layer",)),
    "study.mean_attention": ("Study mean attention weight", "probability", ("layer",)),
}
REGIONAL = (
    "mlp_contribution",
    "attention_entropy_normalized",
    "attention_distance_relative",
    "treves_rolls_population",
    "block_influence",
)
"""What the regions of the brain view are made of."""
Row = tuple[
    str | None, str | None, int | None, str, int | None, int | None, float | None, str | None
]
"""task, prompt_id, n_tokens, metric, layer, head, value, reason."""


@dataclasses.dataclass(frozen=True)
class FakeModel:
    """What is made up of one model."""

    label: str = "SmolLM2-135M"
    name: str = "HuggingFaceTB/SmolLM2-135M-Instruct"
    kind: Any = "decoder"
    parameters: int = 134_515_008
    layers: int = 6
    heads: int = 3
    entropy: float = 0.42
    sink: float = 0.55
    norm: float = 30.0
    attention: bool = True
    experts: int = 0
    """0 for a model that has none; the first layer never has any."""

    def info(self) -> ModelInfo:
        return ModelInfo(
            model=self.label,
            reference=self.name,
            name=self.name,
            family="llama",
            stack_kind=self.kind,
            parameters=self.parameters,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.heads,
            hidden_size=576,
            vocabulary=49152,
            context=2048,
            dtype="float32",
        )


BIG = FakeModel(layers=30, heads=9)
SMALL = FakeModel(
    label="all-MiniLM-L6-v2",
    name="sentence-transformers/all-MiniLM-L6-v2",
    kind="encoder",
    parameters=22_713_216,
    layers=6,
    heads=12,
    entropy=0.81,
    sink=0.12,
    norm=7.0,
)


PAIR = FakeModel(
    label="t5-small",
    name="google-t5/t5-small",
    kind="encoder-decoder",
    parameters=60_506_624,
    layers=6,
    heads=8,
    entropy=0.7,
    sink=0.05,
    norm=12.0,
)
MIXTURE = FakeModel(
    label="OLMoE-1B-7B",
    name="allenai/OLMoE-1B-7B-0924",
    parameters=6_919_161_856,
    layers=16,
    heads=16,
    experts=64,
)


def prompts_of(tasks: Sequence[str], count: int) -> list[Prompt]:
    return [
        Prompt(id=f"{task[:4]}-{number:03d}", task=task, text=f"Tell me about {task} {number}?")
        for task in tasks
        for number in range(1, count + 1)
    ]


def spec_of(name: str) -> MetricSpec:
    title, unit, axes = _KINDS[name]
    return MetricSpec(
        name=name,
        title=title,
        unit=unit,
        axes=axes,
        bounds=(None, None),
        needs=(),
        definition=f"What {title.lower()} is, in one sentence that fixes the number.",
        source="the study" if name.startswith("study.") else "a paper of 2023",
    )


def manifest_of(
    models: Sequence[ModelInfo], prompts: Sequence[Prompt], metrics: Sequence[str] = METRICS
) -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        status="running",
        created="2026-05-04T10:11:12+00:00",
        versions={
            "cortexscope": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "transformers": "5.23.0",
        },
        models=list(models),
        suite=SuiteInfo(
            name="cognitive",
            version="1",
            hash="9f" * 32,
            tasks=list(dict.fromkeys(prompt.task for prompt in prompts)),
            prompts=len(prompts),
        ),
        metrics={name: spec_of(name) for name in metrics},
        settings={"dtype": "float32", "device": "cpu", "batch_tokens": 2048, "truncate": False},
        shards={info.model: 1 for info in models},
    )


def rows_of(
    model: FakeModel,
    prompts: Sequence[Prompt],
    rng: np.random.Generator,
    *,
    length: float = 1.0,
) -> Iterator[Row]:
    """Yield measurements that look like those of a model, its prompts longer by a factor."""
    for prompt in prompts:
        n = max(2, int(length * rng.normal(TASKS.get(prompt.task, 20), 4)))
        head = (prompt.task, prompt.id, n)
        fair = model.entropy - 0.02 * np.log(n) + rng.normal(0, 0.015)
        yield (*head, "study.final_activation", None, None, rng.normal(0.3, 0.02), None)
        yield (*head, "study.max_sparsity", None, None, rng.normal(0.07, 0.004), None)
        attention: list[tuple[str, float]] = [
            ("study.attention_entropy", n * fair * np.log(n) * 0.8),
        ]
        for name, value in attention:
            known = model.attention
            yield (*head, name, None, None, value if known else None, _why(known))
        for layer in range(model.layers + 1):
            depth = layer / model.layers
            norm = model.norm * np.exp(2.5 * depth) * rng.normal(1, 0.04)
            yield (*head, "residual_norm", layer, None, norm, None)
            near = 0.09 * np.exp(-3 * depth) * rng.normal(1, 0.05)
            yield (*head, "near_zero_fraction", layer, None, near, None)
        yield from _routes(model, head, rng)
        for layer in range(1, model.layers + 1):
            for number in range(model.heads):
                share = float(np.clip(fair + 0.15 * np.cos(layer + number), 0, 1))
                sink = float(np.clip(model.sink + 0.3 * np.sin(layer / 4 + number), 0, 1))
                for name, value in (
                    ("attention_entropy", share * np.log(n)),
                    ("attention_entropy_normalized", share),
                    ("attention_sink_mass", sink),
                ):
                    known = model.attention
                    yield (*head, name, layer, number, value if known else None, _why(known))


def _routes(
    model: FakeModel, head: tuple[str, str, int], rng: np.random.Generator
) -> Iterator[Row]:
    """Yield the routing of a prompt; the load's expert stands in the place of the head."""
    if not model.experts:
        for name in ("expert_load", "router_entropy"):
            yield (*head, name, None, None, None, "no experts")
        return
    for layer in range(2, model.layers + 1):
        # The same experts are favoured by all prompts.
        even = np.random.default_rng(layer).gamma(0.7, size=model.experts)
        load = rng.dirichlet(40 * even / even.sum() + 1e-3)
        for expert, share in enumerate(load):
            yield (*head, "expert_load", layer, expert, float(share), None)
        yield (*head, "router_entropy", layer, None, rng.normal(3, 0.1), None)


def _pair(
    model: FakeModel, prompts: Sequence[Prompt], rng: np.random.Generator
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each stack of an encoder-decoder."""
    half = dataclasses.replace(model, entropy=0.4, sink=0.5, norm=40.0)
    yield "encoder", list(rows_of(model, prompts, rng))
    yield "decoder", list(rows_of(half, prompts, rng, length=0.3))
    cross = rows_of(dataclasses.replace(model, entropy=0.9), prompts, rng, length=0.3)
    yield "cross", [row for row in cross if row[3].startswith(("attention", "study.attention"))]


def _why(known: bool) -> str | None:
    return None if known else "no attention layers"


def table_of(label: str, rows: Sequence[Row], stack: str = "decoder") -> pa.Table:
    task, prompt, tokens, metric, layer, head, value, reason = zip(*rows, strict=True)
    indexed = ("expert_load", "cumulative_mass", "neuron_cumulative_mass")
    by_expert = [name in indexed for name in metric]
    columns = {
        "model": [label] * len(rows),
        "task": task,
        "prompt_id": prompt,
        "n_tokens": tokens,
        "metric": metric,
        "stack": [stack] * len(rows),
        "layer": layer,
        "head": [None if moved else h for h, moved in zip(head, by_expert, strict=True)],
        "index": [h if moved else None for h, moved in zip(head, by_expert, strict=True)],
        "value": value,
        "reason": reason,
        "step": [None] * len(rows),
        "tokens_used": [None if v is None else n for v, n in zip(value, tokens, strict=True)],
    }
    return pa.table(
        {name: pa.array(columns[name], MEASUREMENTS.field(name).type) for name in columns},
        schema=MEASUREMENTS,
    )


def regional_run(
    path: Path,
    *,
    model: FakeModel = SMALL,
    tasks: Sequence[str] = ("counting", "naming", "telling"),
    prompts: int = 12,
    metrics: Sequence[str] = REGIONAL,
) -> Run:
    """Write a run of what regions are made of; every third prompt has a paraphrase.

    The last layer's MLP writes most in the first task.
    """
    asked = prompts_of(tasks, prompts)
    asked += [
        dataclasses.replace(own, id=f"{own.id}-p", control="paraphrase", origin=own.id)
        for own in asked[::3]
    ]
    rng = np.random.default_rng(4)
    rows: list[Row] = []
    for prompt in asked:
        head = (prompt.task, prompt.id, int(rng.integers(8, 60)))
        for layer in range(1, model.layers + 1):
            for name in metrics:
                value = rng.normal(1 + layer / 10, 0.2)
                if name == "mlp_contribution" and layer == model.layers:
                    value += 0.6 * (prompt.task == tasks[0])
                heads = range(2) if "head" in _KINDS[name][2] else (None,)
                rows += [(*head, name, layer, h, value + (h or 0) / 20, None) for h in heads]
    writer = RunWriter(path, manifest_of([model.info()], asked, metrics), asked)
    writer.write_shard(model.label, 0, table_of(model.label, rows, model.kind))
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


def make_run(
    path: Path,
    models: Sequence[FakeModel] = (BIG, SMALL),
    *,
    tasks: Sequence[str] = tuple(TASKS),
    prompts: int = 14,
    metrics: Sequence[str] = METRICS,
    finished: bool = True,
    measured: int | None = None,
) -> Run:
    """Write a run; `measured` is how many of the models have measurements, all where None."""
    asked = prompts_of(tasks, prompts)
    writer = RunWriter(path, manifest_of([m.info() for m in models], asked, metrics), asked)
    for model in models[: len(models) if measured is None else measured]:
        rng = np.random.default_rng(len(model.label))
        stacks: Iterable[tuple[str, list[Row]]] = [(model.kind, list(rows_of(model, asked, rng)))]
        if model.kind == "encoder-decoder":
            stacks = _pair(model, asked, rng)
        tables = [
            table_of(model.label, [row for row in rows if row[3] in metrics], stack)
            for stack, rows in stacks
        ]
        writer.write_shard(model.label, 0, pa.concat_tables(tables))
        writer.note_timings(model.label, {"load_seconds": 2.1, "forward_seconds": 31.4})
    if finished:
        writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)
