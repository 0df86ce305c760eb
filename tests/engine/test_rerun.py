"""A run is repeated from its folder alone, and what moved is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, Settings, request_of, run
from cortexscope.errors import CorruptRunError, UnknownNameError
from cortexscope.models import LoadOptions
from cortexscope.records import Prompt, Turn
from cortexscope.store import Run, moved
from cortexscope.tasks import Suite, Task


@pytest.fixture
def first(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> Run:
    return run(
        RunRequest(
            models=(f"tiny={tiny_folder}",),
            suite=suite_file,
            out=tmp_path / "first",
            controls=("shuffled", "random"),
            metrics=("residual_norm", "attention_entropy"),
            settings=Settings(
                batch_tokens=64, shard_batches=1, generate=Generation(tokens=3), sample_tokens=7
            ),
        )
    )


def rows(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "measurements").iterdir()}


@pytest.mark.slow
def test_the_same_to_the_last_bit(first: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rerun", str(first.path), "--tolerance", "0"]) == 0
    said = capsys.readouterr().out
    again = first.path.with_name("first-again")
    assert rows(again) == rows(first.path)
    count = len(first.measurements_table(controls=True, steps=True))
    assert f"All {count:,} values of 2 metrics are the same to the last bit." in said
    assert "Versions, machine, settings, prompts and the models' files are as they were." in said
    assert all(own.is_same and own.largest == 0 for own in moved(first, Run(again)))


def test_the_request_is_the_one_that_was_made(first: Run, tmp_path: Path) -> None:
    asked = request_of(first, tmp_path / "out", device="cpu")
    assert asked.settings == Settings(
        loading=LoadOptions(device="cpu", dtype="float32", attention=None),
        batch_tokens=64,
        shard_batches=1,
        generate=Generation(tokens=3),
        sample_tokens=7,
    )
    assert asked.suite.hash == first.manifest.suite.hash  # type: ignore[union-attr]
    with pytest.raises(UnknownNameError, match="no model 'small'"):
        request_of(first, tmp_path / "out", models=["small=demo-decoder"])


@pytest.mark.slow
def test_says_which_metric_moved_and_by_how_much(
    first: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    path = first.path.with_name("moved")
    run(replace(request_of(first, path)))
    file = next(own for own in (path / "measurements").iterdir() if "steps" not in own.name)
    table = pq.read_table(file)
    values = table["value"].to_numpy(zero_copy_only=False).copy()
    norms = np.flatnonzero(np.array(table["metric"].to_pylist()) == "residual_norm")
    values[norms[3]] += 0.5
    values[norms[5]] += 0.25
    pq.write_table(table.set_column(table.column_names.index("value"), "value", [values]), file)
    found = {own.metric: own for own in moved(first, Run(path))}
    assert found["attention_entropy"].is_same
    norm = found["residual_norm"]
    assert norm.values - norm.same == 2
    assert norm.largest == pytest.approx(0.5)
    every = first.measurements_table(metrics=["residual_norm"], controls=True, steps=True)
    size = np.sqrt(np.nanmean(every["value"].to_numpy(zero_copy_only=False) ** 2))
    assert norm.relative == pytest.approx(0.5 / size)
    place = table.slice(int(norms[3]), 1).to_pylist()[0]
    assert norm.where == f"tiny, {place['prompt_id']}, decoder, layer {place['layer']}"
    asked = ["rerun", str(first.path), "--against", str(path)]
    assert main(asked) == 0
    assert re.search(r"residual_norm +[\d,]+ +2 +0\.5 ", capsys.readouterr().out)
    assert main([*asked, "--tolerance", "10"]) == 0
    assert main([*asked, "--tolerance", "0.0001"]) == 3
    assert "1 of 2 metrics moved by more than 0.0001" in capsys.readouterr().err
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [own["metric"] for own in told["metrics"]] == ["attention_entropy", "residual_norm"]


@pytest.mark.slow
def test_places_that_only_one_run_has_are_counted(first: Run, tmp_path: Path) -> None:
    asked = request_of(first, tmp_path / "fewer")
    fewer = run(replace(asked, settings=replace(asked.settings, generate=Generation(tokens=2))))
    for own in moved(first, fewer):
        assert own.same == own.values > 0
        assert own.only_before > 0 == own.only_after
        assert not own.is_same


def test_conversations_are_read_again(tiny_folder: Path, tmp_path: Path) -> None:
    turns = (Turn("system", "Be short."), Turn("user", "What is a cat?"))
    prompt = Prompt(id="a", task="chats", text="What is a cat?", turns=turns)
    plain = Prompt(id="b", task="chats", text="A cat is", attributes={"hard": True})
    suite = Suite("own", "1", (Task("chats", "", (prompt, plain)),))
    settings = Settings()
    made = run(
        RunRequest(
            models=(f"tiny={tiny_folder}",),
            suite=suite.select("chats"),
            out=tmp_path / "chats",
            metrics=("residual_norm",),
            settings=settings,
        )
    )
    (again, other) = made.prompt_records()
    assert again.turns == turns
    assert other.turns == ()
    assert other.attributes == {"hard": True}
    asked = request_of(made, tmp_path / "again")
    assert asked.suite.hash == suite.hash  # type: ignore[union-attr]
    table = pq.read_table(made.path / "prompts.parquet")
    pq.write_table(table.drop_columns(["turns"]), made.path / "prompts.parquet")
    with pytest.raises(CorruptRunError, match="from before their turns were kept"):
        request_of(made, tmp_path / "third")


@pytest.mark.slow
def test_against_measures_nothing(first: Run, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rerun", str(first.path), "--against", str(first.path), "--out", "elsewhere"]
    assert main(asked) == 2
    assert "measures none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_tokens": "x"}, "batch_tokens: Input should be a valid integer"),
        ({"batch_tokens": 0}, "batch_tokens is 0; it must be above zero"),
        ({"shard_batches": None}, "shard_batches: "),
        ({"generate": "x"}, "generate: "),
        ({"generate": {"tokns": 2}}, "generate.tokens: Field required"),
        ({"dtype": {}}, "loading.dtype: "),
        ({"quantize": []}, "loading.quantize: "),
        ({"near_zero": "x"}, "options.near_zero: "),
        ({"window": 1.5}, "options.window: "),
        ({"keep_states": "x"}, "keep_states: "),
        ({"device_map": {"": 0}, "device": None}, None),
    ],
    ids=str,
)
def test_settings_that_no_run_has_are_refused_by_name(
    first: Run, tmp_path: Path, settings: dict[str, object], said: str | None
) -> None:
    file = first.path / "manifest.json"
    told = json.loads(file.read_text())
    told["settings"] |= settings
    file.write_text(json.dumps(told))
    if said is None:
        asked = request_of(Run(first.path), tmp_path / "out")
        assert asked.settings.loading.device_map == {"": 0}
        return
    with pytest.raises(CorruptRunError, match=f"manifest.json tells .* no run has .{said}"):
        request_of(Run(first.path), tmp_path / "out")


def test_what_may_run_code_is_asked_for_anew(first: Run, tmp_path: Path) -> None:
    file = first.path / "manifest.json"
    told = json.loads(file.read_text())
    told["settings"] |= {"trust_remote_code": True, "allow_pickle": True}
    file.write_text(json.dumps(told))
    loading = request_of(Run(first.path), tmp_path / "out").settings.loading
    assert (loading.trust_remote_code, loading.allow_pickle) == (False, False)
    asked = request_of(Run(first.path), tmp_path / "out", allow_pickle=True).settings.loading
    assert (asked.trust_remote_code, asked.allow_pickle) == (False, True)
    asked = request_of(Run(first.path), tmp_path / "out", trust_remote_code=True).settings.loading
    assert (asked.trust_remote_code, asked.allow_pickle) == (True, False)
