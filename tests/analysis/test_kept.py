"""Tables of statistics are kept with the run, and used for as long as they are true."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from analysis.planted import LENGTH, MODELS, TASK, planted_run

from cortexscope.analysis import TABLES, Analysis, Settings, _kept
from cortexscope.analysis.tables._step import Step
from cortexscope.errors import UnknownNameError
from cortexscope.report import build_figures, build_tables
from cortexscope.store import Measurements, Run
from cortexscope.store._vectors import read_vectors, write_vectors

FEW = Settings(0, 100, 100)
# What concerns only runs of some kind (compared, lesioned, checkpoints of a training, outcomes),
# or tasks with a dose, which this one is not.
SPECIAL = {name for name, step in TABLES.items() if type(step).concerns is not Step.concerns}
SPECIAL |= {"slopes"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return planted_run(tmp_path / "run", count=8)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tables that are built, as they are."""
    names: list[str] = []
    for step in TABLES.values():

        def build(self: Step, of: Analysis, before: object = type(step).build) -> pd.DataFrame:
            names.append(self.name)
            table: pd.DataFrame = before(self, of)  # type: ignore[operator]
            return table

        monkeypatch.setattr(type(step), "build", build)
    return names


def everything(found: Analysis) -> dict[str, pd.DataFrame]:
    return {name: found.table(name) for name in found.names}


@pytest.mark.slow
def test_every_table_is_the_same_kept_and_made_anew(run: Run, built: list[str]) -> None:
    first = everything(Analysis(run, settings=FEW))
    assert sorted(built) == sorted(first) == sorted({*TABLES} - SPECIAL)
    built.clear()
    kept = everything(Analysis(run, settings=FEW))
    assert built == []
    shutil.rmtree(run.path / "stats")
    anew = everything(Analysis(run, settings=FEW))
    for name in first:
        pd.testing.assert_frame_equal(first[name], kept[name], check_exact=True)
        pd.testing.assert_frame_equal(first[name], anew[name], check_exact=True)


def test_a_table_makes_only_what_it_needs(run: Run, built: list[str]) -> None:
    found = Analysis(run, settings=FEW)
    found.table("depth")
    assert built == ["values", "depth", "leaders"]
    found.table("depth")
    found.table("heads")
    assert built == ["values", "depth", "leaders", "heads"]


@pytest.mark.parametrize(
    "other",
    [
        {"settings": Settings(1, 100, 100)},
        {"settings": Settings(0, 101, 100)},
        {"settings": Settings(0, 100, 101)},
        {"metrics": [TASK]},
    ],
)
def test_other_settings_are_made_and_both_are_kept(
    run: Run, built: list[str], other: dict[str, object]
) -> None:
    choices: dict[str, object] = {"settings": FEW, **other}
    Analysis(run, settings=FEW).table("effects")
    Analysis(run, **choices).table("effects")  # type: ignore[arg-type]
    assert built.count("effects") == 2
    Analysis(run, settings=FEW).table("effects")
    Analysis(run, **choices).table("effects")  # type: ignore[arg-type]
    assert built.count("effects") == 2


def test_what_is_measured_anew_is_analysed_anew(run: Run, built: list[str]) -> None:
    before = Analysis(run, settings=FEW).table("means")
    (file, *_) = run.measurement_files()
    table = pq.read_table(file)
    place = table.schema.get_field_index("value")
    pq.write_table(table.set_column(place, "value", pc.add(table["value"], 1.0)), file)
    after = Analysis(Run(run.path), settings=FEW).table("means")
    assert built.count("means") == 2
    moved = after["mean"] - before["mean"]
    own = (after["scope"] == MODELS[0].label) & (after["form"] == "raw")
    np.testing.assert_allclose(moved[own], 1.0)
    # Nobody will ask for those of before.
    assert len(list((run.path / "stats" / "kept").glob("means-*.parquet"))) == 1


@pytest.mark.slow
def test_vectors_decide_the_tables_of_layers_alone(run: Run, built: list[str]) -> None:
    everything(Analysis(run, settings=FEW))
    built.clear()
    (file, *_) = sorted((run.path / "vectors").iterdir())
    found = read_vectors(file)
    for sums in found.pools["mean_state"].values():
        sums["vector"].mul_(2)
    write_vectors(file, found)
    everything(Analysis(run, settings=FEW))
    of_vectors = {name for name, step in TABLES.items() if step.of_vectors}
    assert sorted(built) == sorted(of_vectors - SPECIAL)


def test_other_code_makes_its_own(
    run: Run, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Analysis(run, settings=FEW).table("means")
    monkeypatch.setattr(_kept, "_code", lambda: "other")
    Analysis(run, settings=FEW).table("means")
    assert built.count("means") == 2


def cut(content: bytes) -> bytes:
    return content[:100]


def flipped(content: bytes) -> bytes:
    """Return it with a bit changed in the first column's values."""
    end = pq.read_metadata(io.BytesIO(content)).row_group(0).column(0).total_compressed_size
    return bytes((*content[:end], content[end] ^ 1, *content[end + 1 :]))


@pytest.mark.parametrize("damage", [cut, flipped])
def test_a_damaged_table_is_made_anew(
    run: Run, built: list[str], damage: Callable[[bytes], bytes]
) -> None:
    first = Analysis(run, settings=FEW).table("means")
    (file,) = (run.path / "stats" / "kept").glob("means-*.parquet")
    file.write_bytes(damage(file.read_bytes()))
    pd.testing.assert_frame_equal(first, Analysis(run, settings=FEW).table("means"))
    assert built.count("means") == 2
    pd.testing.assert_frame_equal(first, Analysis(run, settings=FEW).table("means"))
    assert built.count("means") == 2


def test_where_nothing_can_be_kept_a_table_is_made_all_the_same(run: Run, tmp_path: Path) -> None:
    first = Analysis(run, settings=FEW, folder=tmp_path / "other").table("means")
    (run.path / "stats").write_text("a file where a folder would be")
    found = Analysis(run, settings=FEW)
    pd.testing.assert_frame_equal(first, found.table("means"), check_exact=True)
    assert (run.path / "stats").is_file()


def test_what_is_done_to_a_table_is_done_to_a_copy(run: Run) -> None:
    found = Analysis(run, settings=FEW)
    mine = found.table("means")
    mine["mean"] = 0.0
    assert (found.table("means")["mean"] != 0).any()


def test_several_runs_are_analysed_together(run: Run, tmp_path: Path) -> None:
    other = planted_run(tmp_path / "again", count=8, seed=1)
    found = Analysis(Measurements.of(run, other), settings=FEW, metrics=[LENGTH])
    assert found.folder is None
    scopes = set(found.table("means")["scope"])
    assert {f"{own.path.name}/{model.label}" for own in (run, other) for model in MODELS} < scopes
    alone = Analysis(run, settings=FEW, metrics=[LENGTH]).table("means")
    one = alone[alone["scope"] == MODELS[0].label].drop(columns="scope")
    own = found.table("means")
    same = own[own["scope"] == f"run/{MODELS[0].label}"].drop(columns="scope")
    assert one.to_csv(index=False) == same.to_csv(index=False)


@pytest.mark.slow
def test_a_report_uses_what_the_statistics_kept(run: Run, built: list[str]) -> None:
    Analysis(run, settings=FEW).write()
    built.clear()
    build_tables(run)
    build_figures(run)
    assert built == []


def test_a_table_that_does_not_exist_is_refused(run: Run) -> None:
    with pytest.raises(
        UnknownNameError, match="There is no table 'effect'; did you mean 'effects'"
    ):
        Analysis(run).table("effect")


@pytest.fixture
def one_in_focus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the run's two metrics."""
    for place in ("analysis._analysis", "report.tables.task_effects"):
        monkeypatch.setattr(f"cortexscope.{place}.HEADLINE", (TASK,))


@pytest.mark.slow
@pytest.mark.usefixtures("one_in_focus")
def test_tables_of_the_metrics_in_focus_are_the_same_beside_others(
    run: Run, built: list[str]
) -> None:
    every = Analysis(run, settings=FEW)
    assert (every.focus, every.metrics) == ((TASK,), (LENGTH, TASK))
    close = [name for name, step in TABLES.items() if step.of_focus]
    tables = {name: every.table(name) for name in close}
    built.clear()
    alone = Analysis(run, settings=FEW, metrics=every.focus)
    for name in close:
        pd.testing.assert_frame_equal(alone.table(name), tables[name], check_exact=True)
    assert built == []
    shutil.rmtree(run.path / "stats")
    anew = Analysis(run, settings=FEW, metrics=every.focus)
    for name in close:
        pd.testing.assert_frame_equal(anew.table(name), tables[name], check_exact=True)


@pytest.mark.usefixtures("one_in_focus")
def test_a_report_makes_no_effects_that_it_does_not_show(run: Run, built: list[str]) -> None:
    def shown() -> pd.DataFrame:
        (table,) = build_tables(Run(run.path), only=["task_effects"])
        return table.frame

    alone = shown()
    assert set(alone["Metric"]) == {TASK}
    assert built.count("effects") == 1
    assert set(Analysis(run).table("effects")["metric"]) == {LENGTH, TASK}
    assert built.count("effects") == 2
    # Where the effects of all metrics are kept, they are used, and are the same.
    built.clear()
    for file in (run.path / "stats" / "kept").glob("effects-*"):
        if set(pd.read_parquet(file)["metric"]) == {TASK}:
            file.unlink()
    pd.testing.assert_frame_equal(shown(), alone, check_exact=True)
    assert built == []
