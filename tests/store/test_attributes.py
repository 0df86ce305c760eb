"""Columns of the user's own are kept with their types, under names that are nobody else's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report.made_runs import METRICS, SMALL, manifest_of, rows_of, table_of

from cortexscope import open_profile
from cortexscope.errors import CorruptRunError, UsageError
from cortexscope.exports import export
from cortexscope.records import Attribute, Prompt
from cortexscope.store import PROMPTS, Measurements, Run, RunWriter, attribute_columns
from cortexscope.tasks import Suite, Task, with_controls

HOSTILE = (
    "task",
    "value",
    "id",
    "prompt_id",
    "a.b",
    "attributes",
    'say "so"',
    "it's",
    "größe 大",
    "=1+1",
)


def asked(
    columns: Mapping[str, Sequence[Attribute]], *, absent: Sequence[int] = ()
) -> list[Prompt]:
    """Return prompts with these columns, but for some that lack them all."""
    count = len(next(iter(columns.values())))
    return [
        Prompt(
            f"p{number}", "counting", f"Count to {number}.",
            attributes={n: own[number] for n, own in columns.items() if number not in absent},
        )
        for number in range(count)
    ]  # fmt: skip


def written(path: Path, prompts: Sequence[Prompt], *, seed: int = 0) -> Run:
    import numpy as np

    model = dataclasses.replace(SMALL, layers=1, heads=1)
    writer = RunWriter(path, manifest_of([model.info()], prompts), prompts)
    rows = [
        row for row in rows_of(model, prompts, np.random.default_rng(seed)) if row[3] in METRICS
    ]
    writer.write_shard(model.label, 0, table_of(model.label, rows, model.kind))
    writer.finish("2026-05-04T10:13:40+00:00")
    return Run(path)


def test_values_keep_their_types_and_are_null_where_a_prompt_has_none(tmp_path: Path) -> None:
    columns: dict[str, list[Attribute]] = {
        "hard": [True, None, False], "year": [1999, 2**60, None], "score": [0.5, None, 2],
        "topic": ["é", "", None], "empty": [None, None, None],
    }  # fmt: skip
    run = written(tmp_path / "run", [*asked(columns), Prompt("bare", "counting", "x")])
    kind = pq.read_schema(tmp_path / "run" / "prompts.parquet").field("attributes").type
    assert {field.name: str(field.type) for field in kind} == {
        "hard": "bool", "year": "int64", "score": "double", "topic": "string", "empty": "string",
    }  # fmt: skip
    prompts = run.prompts()
    assert [*list(prompts)[:7], "turns"] == PROMPTS.names
    for name, values in columns.items():
        found = [None if pd.isna(own) else own for own in prompts[f"attributes.{name}"]]
        assert found == [*values, None]


def test_names_that_are_ours_or_odd_collide_with_nothing(tmp_path: Path) -> None:
    columns: dict[str, list[Attribute]] = {
        name: [number, number + 1] for number, name in enumerate(HOSTILE)
    }
    run = written(tmp_path / "run", asked(columns))
    prompts = run.prompts()
    assert prompts.columns.is_unique
    assert list(prompts["task"]) == ["counting"] * 2
    for number, name in enumerate(HOSTILE):
        assert list(prompts[f"attributes.{name}"]) == [number, number + 1]


def test_a_run_without_such_columns_has_none_in_its_file(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [Prompt("a", "counting", "x")])
    assert "attributes" not in pq.read_schema(run.path / "prompts.parquet").names
    assert len(run.prompts().columns) == 7


def test_frames_have_the_columns_beside_each_value(tmp_path: Path) -> None:
    run = written(tmp_path / "run", asked({"hard": [True, None], "year": [3, 4]}, absent=[1]))
    profile = open_profile(run.path)
    frame = profile.frame("residual_norm")
    by_hand = {"p0": (True, 3), "p1": (None, None)}
    for row in frame.to_dict("records"):
        found = tuple(
            None if pd.isna(row[f"attributes.{name}"]) else row[f"attributes.{name}"]
            for name in ("hard", "year")
        )
        assert found == by_hand[row["prompt_id"]]
    other = profile.frame_polars("residual_norm")
    assert other.schema["attributes.year"] == pl.Int64
    assert (
        other["attributes.year"].to_list()
        == frame["attributes.year"]
        .astype(object)
        .where(frame["attributes.year"].notna(), None)
        .tolist()
    )
    pd.testing.assert_frame_equal(
        frame.drop(columns=["attributes.hard", "attributes.year"]),
        run.measurements(metrics=["residual_norm"]),
    )


def test_exports_have_the_columns(tmp_path: Path) -> None:
    import duckdb

    columns: dict[str, list[Attribute]] = {
        name: [f"{number}", None] for number, name in enumerate(HOSTILE)
    }
    run = written(tmp_path / "run", asked(columns))
    for form in ("parquet", "dataset", "csv"):
        folder = export(run, form, tmp_path / form)
        file = next(folder.rglob("prompts.*"))
        found = pd.read_csv(file, dtype=str) if form == "csv" else pd.read_parquet(file)
        for number, name in enumerate(HOSTILE):
            assert found[f"attributes.{name}"].iloc[0] == str(number)
            assert pd.isna(found[f"attributes.{name}"].iloc[1])
            assert f"`attributes.{name}`" in (folder / "README.md").read_text(encoding="utf-8")
    path = export(run, "duckdb", tmp_path / "run.duckdb")
    with duckdb.connect(str(path), read_only=True) as opened:
        own = opened.sql("SELECT * FROM prompt_values WHERE metric = 'residual_norm'").df()
    assert len(own) == 2
    first = own.set_index("prompt_id").loc["p0"]
    for number, name in enumerate(HOSTILE):
        assert first[f"attributes.{name}"] == str(number)


def test_a_run_resumed_with_other_columns_takes_those(tmp_path: Path) -> None:
    before = asked({"hard": [True, False]})
    run = written(tmp_path / "run", before)
    manifest = run.manifest.model_copy(update={"status": "running", "finished": None})
    digest = run.digest()
    RunWriter(run.path, manifest, before, resume=True).finish("later")
    assert Run(run.path).prompts().equals(run.prompts())
    for columns in ({"hard": [1, 2]}, {}):
        changed = (
            asked(columns) if columns else [dataclasses.replace(p, attributes={}) for p in before]
        )
        RunWriter(run.path, manifest, changed, resume=True).finish("later")
        found = Run(run.path).prompts()
        assert list(attribute_columns(found)) == [f"attributes.{n}" for n in columns]
        assert Run(run.path).digest() != digest
    assert len(Run(run.path).measurements()) == len(run.measurements())


@pytest.mark.parametrize(
    ("values", "said"),
    [([1, "one"], "int and str"), ([True, 1], "bool and int"), ([2**80, 1], "at most 64 bits")],
)
def test_a_column_of_two_types_is_refused_by_its_name(
    tmp_path: Path, values: list[Attribute], said: str
) -> None:
    with pytest.raises(UsageError, match=f"The column 'odd' .*{said}"):
        written(tmp_path / "run", asked({"odd": values}))
    assert not (tmp_path / "run").exists()


def test_a_column_of_another_kind_is_damage(tmp_path: Path) -> None:
    run = written(tmp_path / "run", [Prompt("a", "counting", "x")])
    file = run.path / "prompts.parquet"
    for wrong in (pa.array([3]), pa.array([{"a": [1]}])):
        table = pq.read_table(file)
        if "attributes" in table.column_names:
            table = table.drop_columns(["attributes"])
        pq.write_table(table.append_column("attributes", wrong), file)
        with pytest.raises(CorruptRunError, match="has 'attributes' as"):
            Run(run.path).prompts()


def test_of_several_runs_the_first_that_says_anything_counts(tmp_path: Path) -> None:
    one = written(tmp_path / "one", asked({"year": [1, None, None]}))
    two = written(tmp_path / "two", asked({"year": [5, 6, None], "topic": ["a", "b", "c"]}))
    for first, second, years in ((one, two, [1, 6, None]), (two, one, [5, 6, None])):
        found = Measurements.of(first, second).prompts
        assert [None if pd.isna(own) else own for own in found["attributes.year"]] == years
        assert list(found["attributes.topic"]) == ["a", "b", "c"]


def test_controls_made_of_a_prompt_keep_its_columns() -> None:
    prompts = tuple(asked({"hard": [True, False]}))
    suite = with_controls(Suite("s", "1", (Task("counting", "", prompts),)), ["shuffled", "random"])
    by_id = {prompt.id: prompt for prompt in suite.prompts}
    made = [prompt for prompt in suite.prompts if prompt.origin]
    assert len(made) == 4
    assert all(own.attributes == by_id[str(own.origin)].attributes for own in made)
    plain = Suite(
        "s", "1", (Task("counting", "", tuple(Prompt(p.id, p.task, p.text) for p in prompts)),)
    )
    assert plain.hash == Suite("s", "1", (Task("counting", "", prompts),)).hash
