"""Runs that generate: what is written, continued and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from generated import folder_of, small_request, suite_of, texts_of

import cortexscope
import cortexscope.engine._worker as worker_module
from cortexscope.cli import main
from cortexscope.engine import Generation, Settings, run
from cortexscope.errors import RunExistsError
from cortexscope.report import build_tables
from cortexscope.store import MEASUREMENTS, Run

STEPS = 3
LENGTHS = (7, 12, 3, 10)
DRAWN = Generation(tokens=STEPS, sample=True, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = folder_of("llama", tmp_path_factory.mktemp("runs") / "llama")
    suite_of(folder, lengths=LENGTHS)
    return folder


def tokens_of(finished: Run) -> dict[str, list[int]]:
    return {name: row["token_ids"] for name, row in sorted(texts_of(finished).items())}


def everything(path: Path) -> dict[str, bytes]:
    files = (file for part in ("measurements", "generations") for file in (path / part).iterdir())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.slow
def test_generated_tokens_are_kept_apart_from_prompts(folder: Path, tmp_path: Path) -> None:
    finished = run(small_request(folder, tmp_path / "run", Generation(tokens=STEPS)))
    plain = run(small_request(folder, tmp_path / "plain", None))
    assert finished.measurements_table().equals(plain.measurements_table())
    for file in plain.measurement_files():
        assert file.read_bytes() == (finished.path / "measurements" / file.name).read_bytes()
    assert plain.generations().empty
    assert not (plain.path / "generations").exists()

    frame = finished.measurements(steps=True)
    steps = frame[frame["step"].notna()]
    assert len(frame) == len(steps) + len(plain.measurements())
    per_token = 4 + 1
    assert len(steps) == 4 * STEPS * per_token
    texts = texts_of(finished)
    assert {row["finish"] for row in texts.values()} == {"length"}
    surprisal = steps[steps["metric"] == "surprisal"].set_index(["prompt_id", "step"])["value"]
    for prompt, row in texts.items():
        assert row["tokens"] == row["text"].split()
        assert surprisal.loc[prompt].sort_index().tolist() == row["surprisal"]
    for file in finished.path.glob("measurements/*.parquet"):
        assert pq.read_schema(file).equals(MEASUREMENTS)
    manifest = json.loads((finished.path / "manifest.json").read_text())
    assert manifest["settings"]["generate"] == {
        "tokens": STEPS,
        "sample": False,
        "temperature": 1.0,
        "top_p": 1.0,
        "seed": 0,
    }
    tables, others = (
        {table.key: table.frame for table in build_tables(found)} for found in (finished, plain)
    )
    assert tables["complete"].equals(others["complete"])


@pytest.mark.slow
def test_draws_depend_on_the_seed_and_not_on_batches(folder: Path, tmp_path: Path) -> None:
    first = tokens_of(run(small_request(folder, tmp_path / "first", DRAWN)))
    large = Settings(generate=DRAWN, batch_tokens=1000)
    assert tokens_of(run(small_request(folder, tmp_path / "large", DRAWN, settings=large))) == first
    other = tokens_of(run(small_request(folder, tmp_path / "other", replace(DRAWN, seed=2))))
    assert all(other[name] != first[name] for name in first)


@pytest.mark.slow
def test_an_interrupted_run_resumes_to_the_same_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(small_request(folder, tmp_path / "whole", DRAWN))
    assert whole.manifest.shards["tiny"] > 2
    measure = worker_module.Worker.measure
    left = [1]

    def measured(self: Any, *arguments: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return measure(self, *arguments)

    request = small_request(folder, tmp_path / "run", DRAWN)
    with monkeypatch.context() as patch:
        patch.setattr(worker_module.Worker, "measure", measured)
        with pytest.raises(KeyboardInterrupt):
            run(request)
    assert len(list((request.out / "generations").iterdir())) == 1
    for other, named in (
        (replace(DRAWN, seed=2), r"settings\.generate\.seed was 1 and is 2"),
        (None, r"settings\.generate was .* and is null"),
    ):
        settings = replace(request.settings, generate=other)
        with pytest.raises(RunExistsError, match=named):
            run(replace(request, resume=True, settings=settings))
    run(replace(request, resume=True))
    assert everything(request.out) == everything(whole.path)


def test_steps_of_a_shard_that_is_not_finished_do_not_count(folder: Path, tmp_path: Path) -> None:
    finished = run(small_request(folder, tmp_path / "run", DRAWN))
    rows = len(finished.measurements(steps=True))
    file = finished.measurement_files()[0]
    lost = len(pq.read_table(file)) + len(
        pq.read_table(file.with_name(f"{file.stem}-steps.parquet"))
    )
    file.unlink()
    manifest = finished.manifest.model_copy(update={"status": "running"})
    (finished.path / "manifest.json").write_text(manifest.model_dump_json())
    left = Run(finished.path)
    assert len(left.measurements(steps=True)) == rows - lost
    assert len(left.generations()) < 4


@pytest.mark.slow
def test_a_profile_generates(folder: Path) -> None:
    given: dict[str, Any] = {"metrics": ["residual_norm"], "selfcheck": False}
    found = cortexscope.profile(str(folder), folder / "suite.jsonl", generate=2, **given)
    assert found.generations()["token_ids"].map(len).tolist() == [2] * 4
    assert found.frame()["step"].isna().all()
    assert set(found.frame(steps=True)["step"].dropna()) == {1, 2}
    drawn = cortexscope.profile(str(folder), folder / "suite.jsonl", generate=DRAWN, **given)
    assert drawn.manifest.settings["generate"]["seed"] == 1


def test_the_command_line_generates(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["run", "--model", str(folder), "--suite", str(folder / "suite.jsonl"), "--quiet"]
    asked += ["--metric", "residual_norm", "--no-selfcheck", "--no-report"]
    out = tmp_path / "run"
    drawn = ["--generate", "2", "--sample", "--temperature", "0.5", "--top-p", "0.9", "--seed", "3"]
    assert main([*asked, "--out", str(out), *drawn]) == 0
    assert Run(out).manifest.settings["generate"] == {
        "tokens": 2,
        "sample": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
    }
    assert main([*asked, "--out", str(tmp_path / "other"), "--sample"]) == 2
    assert "ask for some with --generate N" in capsys.readouterr().err


def test_a_run_without_the_column_of_steps_reads_as_one_of_prompts(
    folder: Path, tmp_path: Path
) -> None:
    finished = run(small_request(folder, tmp_path / "run", None))
    frame = finished.measurements()
    for file in finished.measurement_files():
        pq.write_table(pq.read_table(file).drop_columns(["step"]), file)
    assert Run(finished.path).measurements(steps=True).equals(frame)
