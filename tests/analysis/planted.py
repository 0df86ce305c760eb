"""A run with what is known of it: length alone in one metric, the task in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from report.made_runs import FakeModel, manifest_of

from cortexscope.records import Attribute, Prompt, Site, Stack
from cortexscope.store import MEASUREMENTS, Run, RunWriter, Vectors

TASKS = ("counting", "naming", "telling")
NEURON = (2, 5)
LENGTH, TASK = "study.attention_entropy", "attention_entropy_normalized"
MODELS = (FakeModel(layers=2, heads=2), FakeModel(label="other", kind="encoder", layers=2, heads=2))


def prompts(count: int, *, controls: bool = True, tasks: Sequence[str] = TASKS) -> list[Prompt]:
    found = []
    for task in tasks:
        for number in range(count):
            own = Prompt(f"{task}-{number}", task, f"word {number} of {number % 5}")
            found.append(own)
            if controls and number % 2 == 0:
                name = f"{own.id}-p"
                found.append(Prompt(name, task, own.text, control="paraphrase", origin=own.id))
            if controls:
                name = f"{own.id}~random"
                found.append(Prompt(name, task, own.text, control="random", origin=own.id))
    return found


def planted_run(
    path: Path,
    *,
    count: int = 20,
    seed: int = 0,
    controls: bool = True,
    states: bool = True,
    tasks: Sequence[str] = TASKS,
    longer: float = 2.0,
) -> Run:
    """Write a run in which `telling` has longer prompts and `naming` more of TASK.

    Of the neurons that the first model has, NEURON is louder in `counting`.
    """
    asked = prompts(count, controls=controls, tasks=tasks)
    manifest = manifest_of([model.info() for model in MODELS], asked, (LENGTH, TASK))
    manifest = manifest.model_copy(
        update={"settings": {**manifest.settings, "keep_states": states}}
    )
    writer = RunWriter(path, manifest, asked)
    rng = np.random.default_rng(seed)
    lengths: dict[str, int] = {}
    for prompt in asked:
        middle = 20 * (longer if prompt.task == "telling" else 1)
        lengths[prompt.id] = lengths.get(prompt.cluster) or int(rng.uniform(0.4, 1.6) * middle)
    for model in MODELS:
        rows: list[tuple[object, ...]] = []
        for prompt in asked:
            n = lengths[prompt.id]
            value = np.log(n) ** 2 + rng.normal(0, 0.3)
            head = (model.label, prompt.task, prompt.id, n)
            rows.append((*head, LENGTH, model.kind, None, None, None, float(value), None, None, n))
            for layer in (1, 2):
                for number in (0, 1):
                    share = 0.4 + 0.05 * (prompt.task == "naming") + rng.normal(0, 0.02)
                    share -= 0.3 * (prompt.control == "random")
                    rows.append(
                        (*head, TASK, model.kind, layer, number, None, float(share), None, None, n)
                    )
        writer.write_shard(
            model.label, 0, _table(rows), _states(model, asked, rng) if states else None
        )
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


def _table(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(list(column), field.type)
        for column, field in zip(columns, MEASUREMENTS, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=MEASUREMENTS)


def _states(model: FakeModel, asked: Sequence[Prompt], rng: np.random.Generator) -> Vectors:
    """Return states that tell the tasks apart in layer 2 alone."""
    codes = torch.tensor([TASKS.index(prompt.task) for prompt in asked])
    stack = model.kind
    layers = {}
    for layer in range(3):
        vectors = torch.from_numpy(rng.normal(size=(len(asked), 6))).float()
        if layer == 2:
            vectors[:, :3] += 4.0 * torch.eye(3)[codes]
        layers[Site(stack, layer)] = {"vector": vectors, "count": torch.ones(len(asked))}
    pools = {"mean_state": layers}
    if model is MODELS[0]:
        pools["mean_neuron"] = _neurons(stack, codes)
    return Vectors(pools, [(prompt.id, prompt.task) for prompt in asked])


def _neurons(stack: Stack, codes: torch.Tensor) -> dict[Site, dict[str, torch.Tensor]]:
    drawn = torch.Generator().manual_seed(5)
    layers = {}
    for layer in (1, 2):
        vectors = torch.randn(len(codes), 8, generator=drawn)
        if layer == NEURON[0]:
            vectors[:, NEURON[1]] += 3.0 * (codes == TASKS.index("counting"))
        layers[Site(stack, layer)] = {"vector": vectors, "count": torch.ones(len(codes))}
    return layers


def run_with_columns(
    path: Path, *, count: int = 30, seed: int = 0, columns: bool = True, states: bool = False
) -> Run:
    """Write a run whose prompts have columns of their own, with what is known of each.

    `size` follows length alone; `shown` (true or false) moves TASK by 0.06 whatever the length;
    `grade` (a number) raises it; `style` goes with the task alone; `kind` is the task by another
    name; `task` names groups of no meaning, `few` and `many` are whole numbers, `one` is the same
    throughout, and `odd "name".x` is known of half of the prompts.
    """
    rng = np.random.default_rng(seed)
    asked, values = [], {}
    for task in TASKS:
        for number in range(count):
            n = int(rng.uniform(8, 60))
            shown, grade = bool(rng.integers(2)), float(np.round(rng.normal(), 2))
            style = "formal" if rng.random() < 0.1 + 0.4 * TASKS.index(task) else "plain"
            own: dict[str, Attribute] = {
                "size": "long" if n + rng.normal(0, 8) > 34 else "short", "shown": shown,
                "grade": grade, "style": style, "kind": task, "task": f"g{rng.integers(3)}",
                "few": int(rng.integers(3)), "many": int(n + rng.integers(9)), "one": "same",
                'odd "name".x': f"é{number % 3}" if number % 2 else None,
            }  # fmt: skip
            prompt = Prompt(
                f"{task}-{number}", task, "word " * n, attributes=own if columns else {}
            )
            share = 0.4 + 0.06 * shown + 0.04 * grade + 0.05 * TASKS.index(task)
            values[prompt.id] = n, share
            asked.append(prompt)
            if number % 5 == 0:
                again = replace(prompt, id=f"{prompt.id}-p", control="paraphrase", origin=prompt.id)
                asked.append(replace(again, attributes={}))
                values[again.id] = values[prompt.id]
    manifest = manifest_of([model.info() for model in MODELS], asked, (LENGTH, TASK))
    manifest = manifest.model_copy(
        update={"settings": {**manifest.settings, "keep_states": states}}
    )
    writer = RunWriter(path, manifest, asked)
    for model in MODELS:
        rows: list[tuple[object, ...]] = []
        for prompt in asked:
            n, share = values[prompt.id]
            head = (model.label, prompt.task, prompt.id, n)
            value = float(np.log(n) ** 2 + rng.normal(0, 0.3))
            rows.append((*head, LENGTH, model.kind, None, None, None, value, None, None, n))
            for layer in (1, 2):
                for number in (0, 1):
                    value = float(share + rng.normal(0, 0.03))
                    rows.append(
                        (*head, TASK, model.kind, layer, number, None, value, None, None, n)
                    )
        vectors = _states(model, asked, rng) if states else None
        writer.write_shard(model.label, 0, _table(rows), vectors)
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)
