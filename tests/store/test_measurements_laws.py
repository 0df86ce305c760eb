"""Whatever runs hold, measurements are what pandas makes of the whole of their files at once."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.made_runs import PAIR, SMALL, manifest_of

from cortexscope.records import MetricSpec, Prompt
from cortexscope.store import GENERATIONS, MEASUREMENTS, Measurements, Run, RunWriter

STACKS = {SMALL.label: ["encoder"], PAIR.label: ["encoder", "decoder", "cross"]}
PLACE = ["model", "metric", "stack", "prompt_id", "task", "n_tokens"]
WHY = ["too short", "no attention layers"]


def spec(name: str, axes: tuple[str, ...] = (), **more: Any) -> MetricSpec:
    return MetricSpec(
        name=name, title=name, unit="1", axes=axes, bounds=(None, None), needs=(),
        definition="A number.", source="nowhere", **more,
    )  # fmt: skip


SPECS = {
    each.name: each
    for each in (
        spec("by_head", ("layer", "head")),
        spec("by_layer", ("layer",)),
        spec("of_stack"),
        spec("of_expert", ("layer", "expert")),
        spec("of_task", ("layer",), replication="task"),
        spec("label", ("layer",), scale="label"),
    )
}


def places(axes: tuple[str, ...]) -> list[tuple[int | None, int | None, int | None]]:
    """Layers, heads and indices of a metric."""
    layers = [0, 1, 2] if "layer" in axes else [None]
    heads = [0, 1] if "head" in axes else [None]
    indices = [0, 1] if "expert" in axes else [None]
    return list(itertools.product(layers, heads, indices))


def rows_of(
    rng: np.random.Generator, model: str, prompts: list[Prompt], *, step: int | None = None
) -> list[dict[str, Any]]:
    """Rows of prompts; one in seven is undefined, one in twenty no finite number."""
    rows = []
    for prompt, stack, (name, own) in itertools.product(prompts, STACKS[model], SPECS.items()):
        # A stack of its own may lack a metric.
        if own.replication == "task" or (stack == "cross" and name == "by_layer"):
            continue
        length = 5 + len(stack) + sum(map(ord, prompt.id)) % 7
        for layer, head, index in places(own.axes):
            value: float | None = rng.normal() * 1e3
            if own.scale == "label":
                value = float(rng.integers(4))
            reason, drawn = None, rng.random()
            if drawn < 1 / 7:
                value, reason = None, WHY[int(rng.integers(len(WHY)))]
            elif drawn < 1 / 5:
                value = [np.inf, -np.inf, np.nan][int(rng.integers(3))]
            rows.append({
                "model": model, "task": prompt.task, "prompt_id": prompt.id, "n_tokens": length,
                "metric": name, "stack": stack, "layer": layer, "head": head, "index": index,
                "value": value, "reason": reason, "step": step, "tokens_used": None,
            })  # fmt: skip
    return rows


def wholes_of(rng: np.random.Generator, model: str, tasks: list[str]) -> list[dict[str, Any]]:
    empty = dict.fromkeys(MEASUREMENTS.names)
    return [
        empty | {"model": model, "task": task, "metric": "of_task", "stack": STACKS[model][0],
                 "layer": layer, "value": rng.normal()}
        for task in [*tasks, None] for layer in (0, 1)
    ]  # fmt: skip


def made(folder: Path, seed: int, *, prompts: int, shards: int, steps: bool, later: bool) -> Run:
    """A run with controls, of two models; `later`: with the columns that schemas 3 and 4 have."""
    rng = np.random.default_rng(seed)
    tasks = ["reading", "sums"]
    own = [Prompt(f"p{n}", tasks[n % 2], f"prompt {n}") for n in range(prompts)]
    other = [
        Prompt(f"{p.id}-shuffled", p.task, p.text[::-1], control="shuffled", origin=p.id)
        for p in own[: prompts // 2]
    ]
    every = [*own, *other]
    manifest = manifest_of([SMALL.info(), PAIR.info()], every, ()).model_copy(
        update={
            "metrics": SPECS,
            "shards": dict.fromkeys(STACKS, shards),
            "settings": {"generate": {"tokens": 2}} if steps else {},
        }
    )
    writer = RunWriter(folder, manifest, every)
    for model in STACKS:
        for number in range(shards):
            part = every[number::shards]
            table = pa.Table.from_pylist(rows_of(rng, model, part), schema=MEASUREMENTS)
            if steps:
                with writer.steps(model, number) as take:
                    rows = rows_of(rng, model, part, step=1)
                    take(pa.Table.from_pylist(rows, schema=MEASUREMENTS))
            writer.write_shard(
                model, number, table, generations=GENERATIONS.empty_table() if steps else None
            )
        whole = pa.Table.from_pylist(wholes_of(rng, model, tasks), schema=MEASUREMENTS)
        writer.write_whole(model, "tasks", whole)
    writer.finish("2026-05-04T10:13:40+00:00")
    if not later:
        for file in (folder / "measurements").iterdir():
            old = pq.read_table(file, partitioning=None).drop_columns(["step", "tokens_used"])
            pq.write_table(old, file)
    return Run(folder)


def plain(run: Run, label: str) -> pd.DataFrame:
    """All rows of a run's own files but those of generated tokens, in pandas and float64."""
    files = [f for f in (run.path / "measurements").iterdir() if "-steps" not in f.name]
    rows = pd.concat([pq.read_table(f, partitioning=None).to_pandas() for f in sorted(files)])
    value = rows["value"].to_numpy(dtype="float64")
    found: pd.DataFrame = rows.assign(finite=np.where(np.isfinite(value), value, np.nan))
    return found.assign(model=label + "/" + found["model"])


def means(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], float]:
    found = {}
    for key, own in rows.groupby(keys, dropna=False):
        known = own["finite"].dropna().to_numpy()
        found[key] = float(np.mean(known)) if len(known) else np.nan
    return found


def agree(frame: pd.DataFrame, keys: list[str], expected: dict[tuple[Any, ...], float]) -> None:
    found = {tuple(row[:-1]): row[-1] for row in frame[[*keys, "value"]].itertuples(index=False)}
    assert len(found) == len(frame)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-10, err_msg=str(key))


shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**31),
        "prompts": st.integers(2, 5),
        "shards": st.integers(1, 3),
        "steps": st.booleans(),
        "later": st.booleans(),
    }
).filter(lambda shape: shape["shards"] <= shape["prompts"])


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(first=shapes, second=shapes, controls=st.booleans())
def test_every_reading_is_what_pandas_makes_of_all_rows(
    first: dict[str, Any], second: dict[str, Any], *, controls: bool
) -> None:
    # A file without the column cannot have steps.
    shapes = [{**shape, "later": shape["later"] or shape["steps"]} for shape in (first, second)]
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            made(Path(folder) / name, **shape) for name, shape in zip("ab", shapes, strict=True)
        ]
        measured = Measurements.of(*runs)
        rows = pd.concat([plain(run, run.path.name) for run in runs], ignore_index=True)
        made_of = rows["prompt_id"].str.endswith("-shuffled", na=False)
        single = rows[rows["prompt_id"].notna() & (controls | ~made_of)]
        numbers = single[~single["metric"].isin(["of_expert"])]
        numbers = numbers.assign(finite=numbers["finite"].mask(numbers["metric"] == "label"))
        layered = numbers[numbers["layer"].notna()]
        agree(measured.by_prompt(controls=controls), PLACE, means(numbers, PLACE))
        found = measured.by_layer(controls=controls)
        agree(found, [*PLACE, "layer"], means(layered, [*PLACE, "layer"]))
        assert (found["depth"] == found["layer"] / 2).all()
        agree(
            measured.by_head(controls=controls),
            [*PLACE, "layer", "head"],
            means(layered.assign(head=layered["head"].fillna(-1)), [*PLACE, "layer", "head"]),
        )
        lengths = single.drop_duplicates(["model", "stack", "prompt_id"])
        keys = ["model", "stack", "task", "prompt_id", "n_tokens"]
        read = measured.lengths(controls=controls)
        assert sorted(map(tuple, read[keys].to_numpy())) == sorted(
            map(tuple, lengths[keys].to_numpy())
        )
        _check_sums(measured, rows[~made_of])


def _check_sums(measured: Measurements, rows: pd.DataFrame) -> None:
    """Readings over prompts, which leave controls out."""
    keys = ["model", "stack", "metric"]
    indexed = rows[(rows["metric"] == "of_expert") & rows["prompt_id"].notna()]
    places = [*keys, "layer", "index"]
    agree(measured.by_index(), places, means(indexed, places))
    whole = rows[rows["prompt_id"].isna() & rows["task"].isna()]
    agree(measured.wholes(), keys, means(whole, keys))
    labels = rows[rows["metric"] == "label"]
    for row in measured.common().to_dict("records"):
        own = labels[(labels["model"] == row["model"]) & (labels["stack"] == row["stack"])]
        known = own["finite"].dropna()
        counts = known.value_counts()
        assert row["value"] == min(counts.index[counts == counts.max()])
        assert row["share"] == counts.max() / len(known)
        assert row["prompts"] == own[own["finite"].notna()]["prompt_id"].nunique()
        assert row["prompts"] + row["undefined"] == own["prompt_id"].nunique()
    missing = rows[rows["finite"].isna()]
    # A value that was written as no finite number has no reason of its own.
    missing = missing.assign(reason=missing["reason"].fillna("not a finite number"))
    counted = missing.groupby([*keys, "reason"])
    expected = pd.DataFrame({"values": counted.size(), "prompts": counted["prompt_id"].nunique()})
    found = measured.undefined().set_index([*keys, "reason"])
    assert found[["values", "prompts"]].to_dict("index") == expected.to_dict("index")
    of = rows.groupby(keys).size()
    assert (found["of"].to_numpy() == [of[key[:3]] for key in found.index]).all()


def test_reading_one_metric_reads_a_share_of_the_rows(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("cortexscope.store._written.ROW_GROUP", 16)
    made(tmp_path / "run", 1, prompts=5, shards=2, steps=False, later=True)
    held: list[int] = []
    read = pq.ParquetFile.read_row_groups

    def counted(self: pq.ParquetFile, groups: list[int], *args: Any, **options: Any) -> pa.Table:
        held.append(sum(self.metadata.row_group(group).num_rows for group in groups))
        return read(self, groups, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", counted)
    run = Run(tmp_path / "run")
    frame = run.measurements(metrics=["of_stack"])
    files = run.measurement_files()
    everything = sum(pq.read_metadata(file).num_rows for file in files)
    # One file after the other, and of each no more than its groups that may hold the metric.
    assert len(held) == len(files)
    assert len(frame) <= sum(held) <= len(frame) + 2 * 16 * len(files)
    assert sum(held) < everything / 3
