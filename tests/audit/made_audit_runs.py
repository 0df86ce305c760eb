"""Runs whose values of the study's metrics follow a stated rule; no model is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from report.made_runs import FakeModel, Row, manifest_of, prompts_of, table_of

from cortexscope.records import Prompt
from cortexscope.store import RunWriter

STUDY = ("study.final_activation", "study.attention_entropy", "study.max_sparsity")
FAIR = "attention_entropy_normalized"
LENGTHS = {
    "mathematical_reasoning": 58,
    "logical_puzzles": 40,
    "technical_code": 34,
    "creative_writing": 31,
    "scientific_explanations": 28,
}
DECODER = FakeModel(label="small-decoder", name="someone/small-decoder")
ENCODER = FakeModel(label="small-encoder", name="someone/small-encoder", kind="encoder")

Rule = Callable[[str, int, str], dict[str, float | None]]
"""Values by metric of a task, a number of tokens and a model's label."""


def by_length(task: str, tokens: int, model: str) -> dict[str, float | None]:
    """Entropy follows the length alone; mathematics is highest for its long prompts."""
    return {
        "study.attention_entropy": 2.0 * tokens,
        "study.final_activation": -0.2,
        "study.max_sparsity": 0.3 if "decoder" in model else 0.1,
        FAIR: 0.5,
    }


def truly_highest(task: str, tokens: int, model: str) -> dict[str, float | None]:
    """Entropy of mathematics is higher at every length."""
    more = 60.0 if task == "mathematical_reasoning" else 0.0
    rule = by_length(task, tokens, model)
    return {**rule, "study.attention_entropy": 2.0 * tokens + more, FAIR: 0.5 + more / 300}


def not_highest(task: str, tokens: int, model: str) -> dict[str, float | None]:
    """Entropy of creative writing is higher still."""
    more = 90.0 if task == "creative_writing" else 0.0
    return {**by_length(task, tokens, model), "study.attention_entropy": 2.0 * tokens + more}


def make_run(
    path: Path,
    rule: Rule,
    *,
    models: Sequence[FakeModel] = (DECODER, ENCODER),
    lengths: dict[str, int] = LENGTHS,
    prompts: int = 16,
    metrics: Sequence[str] = (*STUDY, FAIR),
    extra: Sequence[Prompt] = (),
    seed: int = 0,
) -> Path:
    """Write a run; a prompt's length is drawn around its task's, its values with 2 % noise."""
    rng = np.random.default_rng(seed)
    asked = [*prompts_of(tuple(lengths), prompts), *extra]
    tokens = {p.id: max(4, round(lengths[p.task] * rng.lognormal(0, 0.3))) for p in asked}
    writer = RunWriter(path, manifest_of([m.info() for m in models], asked, metrics), asked)
    for model in models:
        rows: list[Row] = []
        for prompt in asked:
            values = rule(prompt.task, tokens[prompt.id], model.label)
            for metric in metrics:
                value = values[metric]
                layers = (1, 2) if metric == FAIR else (None,)
                for layer in layers:
                    noisy = None if value is None else value * rng.normal(1, 0.02)
                    why = "not defined here" if value is None else None
                    head = 0 if layer else None
                    ids = (prompt.task, prompt.id, tokens[prompt.id])
                    rows.append((*ids, metric, layer, head, noisy, why))
        writer.write_shard(model.label, 0, table_of(model.label, rows, model.kind))
    writer.finish("2026-05-04T10:13:40+00:00")
    return path
