"""Values are what a plain computation over the files' rows gives, whatever is read with them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from report.made_runs import MIXTURE, PAIR, ROUTED, SMALL, FakeModel, make_run, prompts_of

from cortexscope.errors import UsageError
from cortexscope.store import Measurements, Run, RunWriter

TASKS = ["language_tasks", "technical_code"]
MIXED = dataclasses.replace(MIXTURE, layers=3, heads=2, experts=4)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run", [SMALL, PAIR, MIXED], tasks=TASKS, prompts=3, metrics=ROUTED)


def raw(run: Run) -> pd.DataFrame:
    tables = [pq.read_table(file, partitioning=None) for file in run.measurement_files()]
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return rows


def plain(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], float]:
    """Means by pandas, one group after the other."""
    found = {}
    for key, own in rows.groupby(keys, dropna=False):
        values = own["value"].to_numpy(dtype="float64")
        values = values[np.isfinite(values)]
        found[key] = float(np.mean(values)) if len(values) else np.nan
    return found


def named(frame: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], float]:
    rows = frame[[*keys, "value"]].itertuples(index=False)
    found = {tuple(row[:-1]): row[-1] for row in rows}
    assert len(found) == len(frame)
    return found


PROMPT = ["model", "stack", "metric", "task", "prompt_id", "n_tokens"]


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("by_prompt", PROMPT),
        ("by_layer", [*PROMPT, "layer"]),
        ("by_head", [*PROMPT, "layer", "head"]),
    ],
)
def test_means_are_those_of_a_plain_computation(run: Run, method: str, keys: list[str]) -> None:
    rows = raw(run)
    rows = rows[rows["metric"] != "expert_load"]
    if "layer" in keys:
        rows = rows[rows["layer"].notna()]
        rows = rows.assign(head=rows["head"].fillna(-1))
    expected = plain(rows, keys)
    found = named(getattr(Measurements.of(run), method)(), keys)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-12, nan_ok=True)


def test_depth_is_the_share_of_the_stacks_last_layer(run: Run) -> None:
    found = Measurements.of(run).by_layer(["residual_norm"])
    own = found[found["model"] == SMALL.label]
    assert sorted(own["depth"].unique()) == pytest.approx([layer / 6 for layer in range(7)])


def test_depth_is_the_same_whatever_is_read_with_it(run: Run) -> None:
    for file in run.measurement_files():
        table = pq.read_table(file, partitioning=None)
        deep = pc.greater(pc.fill_null(table["layer"], 0), 2)
        own = pc.equal(table["metric"], "near_zero_fraction")
        pq.write_table(table.filter(pc.invert(pc.and_(own, deep))), file)
    found = Measurements.of(run.path).by_layer(["near_zero_fraction"])
    own = found[found["model"] == SMALL.label]
    assert sorted(own["depth"].unique()) == pytest.approx([0, 1 / 6, 2 / 6])


def test_further_indices_are_averaged_over_prompts(run: Run) -> None:
    rows = raw(run)
    # A model without experts has a row that says so.
    rows = rows[(rows["metric"] == "expert_load") & rows["index"].notna()]
    keys = ["model", "stack", "metric", "layer", "index"]
    found = named(Measurements.of(run).by_index(), keys)
    expected = plain(rows, keys)
    assert expected
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_value_is_the_same_whatever_is_read_with_it(run: Run) -> None:
    whole = Measurements.of(run).by_prompt()
    for metric in ("attention_entropy", "residual_norm"):
        alone = Measurements.of(run).by_prompt([metric])
        same = whole[whole["metric"] == metric].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone.reset_index(drop=True), same, check_exact=True)
    pd.testing.assert_frame_equal(whole, Measurements.of(run.path).by_prompt(), check_exact=True)


@pytest.mark.parametrize("method", ["by_layer", "by_head"])
def test_a_value_is_the_same_whichever_models_are_read_with_it(run: Run, method: str) -> None:
    measured = Measurements.of(run)
    whole = getattr(measured, method)()
    alone = [getattr(measured, method)(models=[model]) for model in measured.labels]
    assert len(alone) > 1
    joined = pd.concat(alone, ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole, check_exact=True)


def test_the_order_of_rows_in_a_file_changes_no_bit(run: Run) -> None:
    before = Measurements.of(run).by_prompt()
    for file in run.measurement_files():
        table = pq.read_table(file, partitioning=None)
        # As older runs were written: prompt by prompt, in one row group.
        order = pc.sort_indices(table, sort_keys=[("prompt_id", "ascending")])
        pq.write_table(table.take(order), file)
    pd.testing.assert_frame_equal(Measurements.of(run.path).by_prompt(), before, check_exact=True)


def test_what_is_no_finite_number_is_undefined_and_said(run: Run) -> None:
    file = run.measurement_files()[0]
    table = pq.read_table(file, partitioning=None)
    first = pc.equal(table["metric"], "residual_norm")
    place = first.to_pylist().index(True)
    values = table["value"].to_pylist()
    values[place] = np.inf
    column = table.schema.get_field_index("value")
    pq.write_table(table.set_column(column, "value", pa.array(values, pa.float64())), file)
    measured = Measurements.of(run.path)
    row = table.slice(place, 1).to_pylist()[0]
    found = measured.by_layer(["residual_norm"])
    own = found[(found["prompt_id"] == row["prompt_id"]) & (found["model"] == row["model"])]
    assert own[own["layer"] == row["layer"]]["value"].isna().all()
    undefined = measured.undefined(["residual_norm"]).to_dict("records")
    of = int(((raw(run)["metric"] == "residual_norm") & (raw(run)["model"] == row["model"])).sum())
    assert [{k: row[k] for k in ("reason", "values", "of", "prompts")} for row in undefined] == [
        {"reason": "not a finite number", "values": 1, "of": of, "prompts": 1}
    ]


def test_the_stack_that_reads_the_prompt_stands_for_a_model(run: Run) -> None:
    measured = Measurements.of(run)
    assert measured.stacks[PAIR.label] == ("encoder", "decoder", "cross")
    own = measured.primary(measured.by_prompt(["residual_norm"]))
    assert set(own[own["model"] == PAIR.label]["stack"]) == {"encoder"}


def test_lengths_are_those_of_the_rows(run: Run) -> None:
    rows = raw(run).drop_duplicates(["model", "stack", "prompt_id"])
    keys = ["model", "stack", "task", "prompt_id", "n_tokens"]
    expected = set(map(tuple, rows[keys].to_numpy()))
    found = Measurements.of(run).lengths()
    assert set(map(tuple, found[keys].to_numpy())) == expected
    assert len(found) == len(expected)


def test_runs_are_read_together_and_models_told_apart(tmp_path: Path) -> None:
    one = make_run(tmp_path / "before", [SMALL, FakeModel()], tasks=TASKS, prompts=2)
    two = make_run(tmp_path / "after", [SMALL], tasks=TASKS, prompts=2)
    both = Measurements.of(one, two)
    names = (f"before/{SMALL.label}", FakeModel().label, f"after/{SMALL.label}")
    assert both.labels == names
    assert tuple(both.models["model"]) == names
    assert len(both.prompts) == 4
    found = both.by_prompt(["residual_norm"])
    for label, run in ((names[0], one), (names[2], two)):
        alone = Measurements.of(run).by_prompt(["residual_norm"])
        values = alone[alone["model"] == SMALL.label]["value"].to_list()
        assert found[found["model"] == label]["value"].to_list() == values


def test_runs_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", [SMALL], tasks=TASKS, prompts=2)
    two = make_run(tmp_path / "two", [FakeModel()], tasks=TASKS, prompts=2)
    manifest = two.manifest
    newer = dataclasses.replace(manifest.metrics["residual_norm"], version=2)
    changed = manifest.model_copy(update={"metrics": {**manifest.metrics, "residual_norm": newer}})
    (two.path / "manifest.json").write_text(changed.model_dump_json(), encoding="utf-8")
    with pytest.raises(UsageError, match=r"by its version 1 in .*one and by its version 2 in"):
        Measurements.of(one, two.path)
    with pytest.raises(UsageError, match="cannot be told apart"):
        Measurements.of(one, one)
    (two.path / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    prompts = pq.read_table(two.path / "prompts.parquet").to_pylist()
    prompts[0]["text"] = "Something else?"
    schema = pq.read_schema(two.path / "prompts.parquet")
    pq.write_table(pa.Table.from_pylist(prompts, schema=schema), two.path / "prompts.parquet")
    with pytest.raises(UsageError, match="different prompts of the id"):
        _ = Measurements.of(one, two.path).prompts


def test_one_metric_reads_its_own_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cortexscope.store._written.ROW_GROUP", 50)
    run = make_run(tmp_path / "run", [SMALL], tasks=TASKS, prompts=3)
    (file,) = run.measurement_files()
    metrics = pq.read_table(file, partitioning=None)["metric"].to_pylist()
    assert metrics == sorted(metrics)
    asked: list[int] = []
    read = pq.ParquetFile.read_row_groups

    def counted(self: pq.ParquetFile, groups: list[int], *args: Any, **options: Any) -> pa.Table:
        asked.extend(groups)
        return read(self, groups, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", counted)
    Measurements.of(run).by_prompt(["study.max_sparsity"])
    holding = {place // 50 for place, name in enumerate(metrics) if name == "study.max_sparsity"}
    assert set(asked) == holding
    assert len(holding) < pq.ParquetFile(file).metadata.num_row_groups / 4


def test_a_run_that_has_read_nothing_yet_has_no_values(tmp_path: Path) -> None:
    finished = make_run(tmp_path / "run", [SMALL], tasks=TASKS, prompts=1)
    manifest = finished.manifest.model_copy(update={"status": "running"})
    RunWriter(tmp_path / "new", manifest, prompts_of(TASKS, 1))
    measured = Measurements.of(tmp_path / "new")
    for frame in (
        measured.by_prompt(),
        measured.by_layer(),
        measured.by_head(),
        measured.wholes(),
        measured.by_index(),
        measured.common(),
        measured.undefined(),
        measured.lengths(),
    ):
        assert len(frame) == 0
    assert measured.metrics == ()
    assert measured.stacks == {}
