"""Values of whole tasks: what is kept for them, and what they must not depend on."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from batches import inputs_for
from families import FAMILIES, tiny_model
from safetensors import safe_open
from typer.testing import CliRunner

import cortexscope.engine._worker as worker_module
from cortexscope.cli import app
from cortexscope.engine import RunRequest, Settings, run
from cortexscope.errors import CorruptRunError, StoreError
from cortexscope.measure import attach
from cortexscope.measure.tasks import tabulate_tasks
from cortexscope.metrics import METRICS, MetricOptions, make_metrics
from cortexscope.models import load_model
from cortexscope.profiles import profile
from cortexscope.records import Site
from cortexscope.store import Run, Vectors
from cortexscope.tasks import load_suite

NAMES = ("residual_norm", "cosine_across", "cosine_across_rest", "intrinsic_dimension", "cka")
KEYS = ["metric", "task", "stack", "layer", "index"]


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """Two tasks of 12 and 5 prompts that all differ, and one of a single prompt."""
    words = ["one", "two", "three", "four", "five"]
    generator = np.random.default_rng(0)
    lines = ["task,id,text"]
    for task, count in (("many", 12), ("some", 5), ("single", 1)):
        for number in range(count):
            text = " ".join(generator.choice(words, 3 + (5 * number) % 11))
            lines.append(f"{task},{task}-{number:02},{text}")
    path = tmp_path / "tasks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def request_(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(
        models=(f"tiny={tiny_folder}",),
        suite=suite_file,
        out=tmp_path / "run",
        metrics=NAMES,
        settings=Settings(batch_tokens=40, shard_batches=1),
    )


def of_tasks(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the values that are of no prompt, in an order of their own."""
    rows = frame[frame["prompt_id"].isna()]
    return rows.sort_values(KEYS).reset_index(drop=True)


def assert_same(one: pd.DataFrame, other: pd.DataFrame, *, exact: bool = False) -> None:
    left, right = of_tasks(one), of_tasks(other)
    assert left[[*KEYS, "reason"]].equals(right[[*KEYS, "reason"]])
    assert left["value"].notna().any()
    # What differs is what a batch changes in the rounding of the model itself.
    bounds = {"rtol": 0, "atol": 0} if exact else {"rtol": 2e-4, "atol": 1e-6}
    np.testing.assert_allclose(left["value"], right["value"], **bounds)


@pytest.mark.slow
def test_a_task_has_one_value_and_all_prompts_together_have_one(request_: RunRequest) -> None:
    frame = run(request_).measurements()
    rows = of_tasks(frame)
    assert set(rows["metric"]) == set(NAMES) - {"residual_norm"}
    assert not rows.duplicated(KEYS).any()
    # Three layers, or the three pairs of them, of three tasks and of all prompts.
    assert len(rows) == 4 * 3 * 4
    assert set(rows["task"].dropna()) == {"many", "some", "single"}
    assert rows["n_tokens"].isna().all()
    pairs = rows.loc[rows["metric"] == "cka", ["layer", "index"]].drop_duplicates()
    assert sorted(map(tuple, pairs.to_numpy().tolist())) == [(0, 1), (0, 2), (1, 2)]
    assert (rows["value"].isna() == rows["reason"].notna()).all()
    assert rows.loc[rows["task"].isna() | (rows["task"] == "many"), "value"].notna().all()


@pytest.mark.slow
def test_a_task_of_one_prompt_has_nothing_to_compare_and_says_so(request_: RunRequest) -> None:
    rows = of_tasks(run(request_).measurements())
    single = rows[rows["task"] == "single"]
    assert single["value"].isna().all()
    assert single.groupby("metric")["reason"].unique().map(list).to_dict() == {
        "cka": ["fewer than four prompts, or a layer where all have one state"],
        "cosine_across": ["fewer than two prompts with a state that is not zero"],
        "cosine_across_rest": [
            "fewer than two prompts with a state that is not zero after the first token"
        ],
        "intrinsic_dimension": ["fewer than 10 prompts that differ"],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        Settings(batch_tokens=1, shard_batches=1),
        Settings(batch_tokens=40, shard_batches=3),
        Settings(batch_tokens=5000, shard_batches=9),
    ],
    ids=["alone", "other shards", "one batch"],
)
def test_batches_and_shards_change_nothing(
    request_: RunRequest, tmp_path: Path, settings: Settings
) -> None:
    first = run(request_)
    second = run(replace(request_, out=tmp_path / "other", settings=settings))
    assert len(first.measurement_files()) != len(second.measurement_files())
    assert_same(first.measurements(), second.measurements())


@pytest.mark.slow
def test_shards_alone_change_no_bit(request_: RunRequest, tmp_path: Path) -> None:
    first = run(request_)
    settings = replace(request_.settings, shard_batches=2)
    second = run(replace(request_, out=tmp_path / "other", settings=settings))
    assert_same(first.measurements(), second.measurements(), exact=True)


@pytest.mark.slow
def test_the_order_of_the_suite_changes_nothing(
    request_: RunRequest, suite_file: Path, tmp_path: Path
) -> None:
    header, *lines = suite_file.read_text().splitlines()
    turned = tmp_path / "turned.csv"
    turned.write_text("\n".join([header, *reversed(lines)]) + "\n")
    other = replace(request_, suite=turned, out=tmp_path / "other")
    assert_same(run(request_).measurements(), run(other).measurements())


class Interrupted(Exception):
    """What a test throws into a run."""


def interrupt(patch: pytest.MonkeyPatch, *, shards: int) -> None:
    measure = worker_module.Worker.measure
    left = [shards]

    def measured(self: Any, *arguments: Any) -> Any:
        if not left[0]:
            raise Interrupted
        left[0] -= 1
        return measure(self, *arguments)

    patch.setattr(worker_module.Worker, "measure", measured)


def files(run_: Run) -> dict[str, bytes]:
    return {
        str(file.relative_to(run_.path)): file.read_bytes()
        for folder in ("measurements", "vectors")
        for file in sorted((run_.path / folder).iterdir())
    }


@pytest.mark.slow
@pytest.mark.parametrize("shards", [0, 1, 3])
def test_a_run_that_was_interrupted_between_shards_ends_in_the_same_bits(
    request_: RunRequest, tmp_path: Path, shards: int
) -> None:
    whole = run(replace(request_, out=tmp_path / "whole"))
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, shards=shards)
        with pytest.raises(Interrupted):
            run(request_)
    resumed = run(replace(request_, resume=True))
    assert files(resumed) == files(whole)
    assert resumed.manifest.status == "complete"


@pytest.mark.slow
def test_a_run_that_ended_before_its_tasks_were_written_is_finished_without_the_model(
    request_: RunRequest, tmp_path: Path
) -> None:
    whole = run(replace(request_, out=tmp_path / "whole"))

    def failing(*arguments: Any, **options: Any) -> None:
        raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cortexscope.measure.tasks.tabulate_tasks", failing)
        with pytest.raises(Interrupted):
            run(request_)
    assert Run(request_.out).manifest.status == "running"
    assert not list(request_.out.rglob("*-tasks.parquet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cortexscope.models.ModelSource.load", failing)
        resumed = run(replace(request_, resume=True))
    assert files(resumed) == files(whole)
    assert resumed.manifest.status == "complete"


@pytest.mark.slow
def test_the_vectors_of_every_prompt_are_in_the_folder(request_: RunRequest) -> None:
    finished = run(request_)
    shards = finished.manifest.shards["tiny"]
    kept = sorted((request_.out / "vectors").iterdir())
    assert [file.stem for file in kept] == [f"00-tiny-{number:05d}" for number in range(shards)]
    seen: list[str] = []
    for file in kept:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata()
            vectors = content.get_tensor("mean_state/decoder/2/vector")
            names = {key.split("/")[0] for key in content.keys()}  # noqa: SIM118
        rows = worker_rows(metadata["prompts"])
        seen += rows
        assert vectors.shape == (len(rows), 32)
        assert vectors.dtype == torch.float32
        assert names == {"mean_state", "unit_sum", "unit_sum_rest", "crc32"}
    assert sorted(seen) == sorted(finished.prompts()["prompt_id"])


def worker_rows(text: str) -> list[str]:
    return [name for name, _ in json.loads(text)]


def bare(request: RunRequest) -> RunRequest:
    """Return the request without what is kept for values of tasks, and for statistics."""
    settings = replace(request.settings, keep_states=False)
    return replace(request, metrics=("residual_norm",), settings=settings)


@pytest.mark.slow
def test_nothing_is_kept_where_no_task_is_measured(request_: RunRequest) -> None:
    run(bare(request_))
    assert not (request_.out / "vectors").exists()


@pytest.mark.slow
def test_mean_states_are_kept_whatever_is_measured(
    request_: RunRequest, suite_file: Path, tiny_folder: Path
) -> None:
    finished = run(replace(request_, metrics=("residual_norm",)))
    kept = finished.mean_states("tiny")
    assert kept is not None
    assert (kept.stack, kept.layers) == ("decoder", (0, 1, 2))
    model = load_model(str(tiny_folder))
    texts = {p.id: p.text for p in load_suite(suite_file).prompts}
    for place in (0, 5, 11):
        inputs = model.tokenizer(texts[kept.prompts[place]], return_tensors="pt")
        with torch.no_grad():
            states = model.module(**inputs, output_hidden_states=True).hidden_states
        for layer in (0, 1):
            own = states[layer][0, 1:] if states[layer].shape[1] > 1 else states[layer][0]
            expected = own.mean(0).numpy()
            # Kept in half precision, in which a number is off by 2^-11 at most.
            found = kept.vectors[layer][place]
            np.testing.assert_allclose(found, expected, rtol=2**-11 + 1e-4, atol=1e-6)


@pytest.mark.slow
def test_mean_neurons_are_kept_where_asked(
    request_: RunRequest, suite_file: Path, tiny_folder: Path
) -> None:
    asked = replace(request_.settings, keep_neurons=True)
    finished = run(replace(request_, settings=asked, out=request_.out.with_name("neurons")))
    kept = finished.mean_neurons("tiny")
    assert kept is not None
    assert (kept.stack, kept.layers) == ("decoder", (1, 2))
    assert set(kept.prompts) == set(finished.prompts()["prompt_id"])
    model = load_model(str(tiny_folder))
    texts = {p.id: p.text for p in load_suite(suite_file).prompts}
    read: list[torch.Tensor] = []
    for layer in model.module.model.layers:
        layer.mlp.down_proj.register_forward_pre_hook(lambda _, args: read.append(args[0]))
    for place in (0, 5, 11):
        read.clear()
        with torch.no_grad():
            model.module(**model.tokenizer(texts[kept.prompts[place]], return_tensors="pt"))
        for layer, own in enumerate(read):
            expected = own[0, min(1, own.shape[1] - 1) :].mean(0).numpy()
            np.testing.assert_allclose(kept.vectors[layer][place], expected, rtol=1e-4, atol=1e-6)
    # Nothing else that a run keeps is another for it.
    plain = run(request_)
    assert plain.mean_neurons("tiny") is None
    pd.testing.assert_frame_equal(plain.measurements(), finished.measurements())


@pytest.mark.slow
def test_a_model_without_dense_mlps_keeps_no_neurons(
    request_: RunRequest, tmp_path: Path, tiny_folder: Path
) -> None:
    model, tokenizer = tiny_model("mamba"), load_model(str(tiny_folder)).tokenizer
    folder = tmp_path / "mamba"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = replace(request_.settings, keep_neurons=True)
    finished = run(replace(request_, models=(f"mamba={folder}",), settings=settings))
    assert finished.mean_neurons("mamba") is None
    assert finished.mean_states("mamba") is not None


@pytest.mark.slow
def test_damaged_vectors_are_named_and_read_anew(request_: RunRequest) -> None:
    whole = files(run(request_))
    tasks = request_.out / "measurements" / "00-tiny-tasks.parquet"
    tasks.unlink()
    damaged = request_.out / "vectors" / "00-tiny-00001.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(CorruptRunError, match="with --resume, asked for the same") as caught:
        Run(request_.out).mean_states("tiny")
    assert "\n" not in str(caught.value)
    assert files(run(replace(request_, resume=True))) == whole


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_first_shard_leaves_nothing(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet

    write = pyarrow.parquet.write_table

    def full(table: Any, path: Path, **options: Any) -> None:
        write(table, path, **options)
        if path.name.endswith("-00000.parquet"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(StoreError, match="the disk is full"):
        run(request_)
    assert not request_.out.exists()


@pytest.mark.slow
def test_a_forced_run_keeps_no_vectors_of_the_one_before(request_: RunRequest) -> None:
    run(request_)
    run(replace(bare(request_), force=True))
    assert not (request_.out / "vectors").exists()
    assert not list(request_.out.rglob("*-tasks.parquet"))


@pytest.mark.slow
def test_a_probe_gives_what_a_run_gives(
    request_: RunRequest, tiny_folder: Path, suite_file: Path
) -> None:
    model = load_model(f"tiny={tiny_folder}")
    with attach(model, metrics=NAMES) as probe, torch.no_grad():
        for prompt in load_suite(suite_file).prompts:
            probe.name([prompt.id], task=prompt.task)
            model.module(**model.tokenizer(prompt.text, return_tensors="pt"))
    assert_same(probe.frame(), run(request_).measurements())


def test_a_probe_tells_the_two_stacks_apart_while_a_text_is_written() -> None:
    model = tiny_model("t5")
    inputs = inputs_for(FAMILIES["t5"], [9, 7, 5, 4])
    asked = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with attach(model, metrics=["cosine_across"]) as probe:
        model.generate(**asked, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    rows = of_tasks(probe.frame())
    assert set(rows["stack"]) == {"encoder", "decoder"}
    with attach(model, metrics=["cosine_across"]) as probe, torch.no_grad():
        model.get_encoder()(**asked)
    alone = of_tasks(probe.frame())
    assert_same(rows[rows["stack"] == "encoder"], alone)


def test_two_stacks_of_one_pass_are_two_groups_of_values() -> None:
    model = tiny_model("t5")
    with attach(model, metrics=["cka"]) as probe, torch.no_grad():
        model(**inputs_for(FAMILIES["t5"], [9, 7, 5, 4, 3]))
    counts = of_tasks(probe.frame()).groupby("stack").size()
    # Three blocks each, and so six pairs of layers.
    assert counts.to_dict() == {"encoder": 6, "decoder": 6}


def test_prompts_come_in_the_order_of_their_ids() -> None:
    (metric,) = make_metrics(["intrinsic_dimension"], MetricOptions())
    vectors = torch.randn(3000, 4, generator=torch.Generator().manual_seed(0))
    prompts = [(f"{number:04}", "all") for number in range(3000)]
    order = torch.randperm(3000, generator=torch.Generator().manual_seed(1)).tolist()

    def value(numbers: list[int]) -> list[float]:
        sums = {"vector": vectors[numbers], "count": torch.ones(3000, dtype=torch.float64)}
        kept = Vectors({"mean_state": {Site("decoder", 0): sums}}, [prompts[n] for n in numbers])
        return list(tabulate_tasks([metric], [kept], model="m")["value"].to_pylist())

    # Of more than 2048 prompts a part is taken, which must not depend on their order.
    assert value(order) == value(list(range(3000)))


@pytest.mark.slow
def test_values_of_tasks_are_in_the_frame_of_a_profile(tiny_folder: Path, suite_file: Path) -> None:
    found = profile(f"tiny={tiny_folder}", suite_file, metrics=["cka"])
    rows = of_tasks(found.frame())
    assert set(rows["metric"]) == {"cka"}
    assert rows["value"].notna().any()


@pytest.mark.slow
@pytest.mark.parametrize("metrics", [["cka"], ["cka", "cosine_across"], list(NAMES)])
def test_the_command_line_measures_tasks_and_writes_the_report(
    tiny_folder: Path, suite_file: Path, tmp_path: Path, metrics: list[str]
) -> None:
    asked = [part for name in metrics for part in ("--metric", name)]
    out = tmp_path / "out"
    given = ["--model", f"tiny={tiny_folder}", "--suite", str(suite_file), "--out", str(out)]
    result = CliRunner().invoke(app, ["run", *given, *asked])
    assert result.exit_code == 0, result.output
    rows = of_tasks(Run(out).measurements())
    assert rows["value"].notna().any()
    report = CliRunner().invoke(app, ["report", str(out)])
    assert report.exit_code == 0, report.output
    page = (out / "report.html").read_text()
    assert METRICS.load(metrics[0]).spec.title in page
