"""A run from the first check to the last file: what is written, and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from reference import METRICS

import cortexscope.engine._worker as worker_module
from cortexscope.engine import RunRequest, Settings, run
from cortexscope.engine._request import Silent
from cortexscope.errors import (
    CortexscopeError,
    ModelError,
    RunExistsError,
    StoreError,
    SuiteError,
    UsageError,
)
from cortexscope.metrics import MetricOptions
from cortexscope.models import LoadOptions
from cortexscope.profiles import profile
from cortexscope.store import MEASUREMENTS, SCHEMA_VERSION, Run
from cortexscope.tasks import load_suite

SMALL = Settings(batch_tokens=64, shard_batches=1)


@pytest.fixture
def request_(tiny_folder: Path, suite_file: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(
        models=(f"tiny={tiny_folder}",), suite=suite_file, out=tmp_path / "run", settings=SMALL
    )


class Interrupted(Exception):
    """What a test throws into a run."""


def interrupt_after(shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run fail after so many shards."""
    measure = worker_module.Worker.measure
    left = [shards]

    def measured(self: Any, *arguments: Any) -> Any:
        if not left[0]:
            raise Interrupted
        left[0] -= 1
        return measure(self, *arguments)

    monkeypatch.setattr(worker_module.Worker, "measure", measured)


def interrupted(request: RunRequest, shards: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(shards, patch)
        with pytest.raises(Interrupted):
            run(request)


def everything(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


@pytest.mark.slow
def test_a_run_folder_keeps_the_contract(request_: RunRequest) -> None:
    finished = run(replace(request_, metrics=METRICS))
    folder = request_.out
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "prompts.parquet",
        "models.parquet",
        "measurements",
        "vectors",
        "hashes",
    }
    files = finished.measurement_files()
    assert len(files) == finished.manifest.shards["tiny"] > 1
    assert all(pyarrow.parquet.read_schema(file).equals(MEASUREMENTS) for file in files)
    frame = finished.measurements()
    assert frame["prompt_id"].nunique() == 12
    assert set(frame["stack"]) == {"decoder"}
    # Study; two blocks of four heads; layers 0, 1, 2; two metrics say that there are no experts.
    per_prompt = 3 + 3 * 2 * 4 + 2 * 3 + 2
    assert len(frame) == 12 * per_prompt
    assert (frame["value"].isna() == frame["reason"].notna()).all()
    assert frame.duplicated(["model", "prompt_id", "metric", "layer", "head"]).sum() == 0
    assert frame.loc[frame["metric"] == "attention_entropy", "layer"].min() == 1
    assert frame.loc[frame["metric"] == "residual_norm", "layer"].min() == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["status"] == "complete"
    assert manifest["models"][0]["files"]["model.safetensors"]
    assert manifest["metrics"]["residual_norm"]["unit"] == "hidden-state units"
    assert (
        manifest["timings"]["tiny"]["tokens"]
        == frame.drop_duplicates("prompt_id")["n_tokens"].sum()
    )


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 3])
def test_an_interrupted_run_resumes_to_the_same_bits(
    request_: RunRequest, tmp_path: Path, shards: int
) -> None:
    whole = run(replace(request_, out=tmp_path / "whole"))
    interrupted(request_, shards)
    assert Run(request_.out).manifest.status == "running"
    kept = {file.name: file.stat().st_mtime_ns for file in Run(request_.out).measurement_files()}
    assert len(kept) == shards
    resumed = run(replace(request_, resume=True))
    assert resumed.manifest.status == "complete"
    assert resumed.measurements_table().equals(whole.measurements_table())
    assert everything(whole.path / "measurements") == everything(resumed.path / "measurements")
    again = {file.name: file.stat().st_mtime_ns for file in resumed.measurement_files()}
    assert {name: again[name] for name in kept} == kept


@pytest.mark.slow
def test_resume_starts_a_run_that_is_not_there(request_: RunRequest) -> None:
    assert run(replace(request_, resume=True)).manifest.status == "complete"


@pytest.mark.slow
def test_resuming_a_finished_run_changes_nothing(request_: RunRequest) -> None:
    run(request_)
    before = everything(request_.out)
    run(replace(request_, resume=True))
    assert everything(request_.out) == before


@pytest.mark.slow
def test_half_written_files_of_a_killed_process_are_removed(request_: RunRequest) -> None:
    interrupted(request_, 1)
    (request_.out / "measurements" / ".part-0123abcd-00-tiny-00001.parquet").write_bytes(b"PAR1")
    run(replace(request_, resume=True))
    assert not list(request_.out.rglob(".part-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"metrics": ("residual_norm",)}, r"metrics\.\w+ was"),
        ({"tasks": ("naming",)}, r"suite\.hash was"),
        ({"settings": replace(SMALL, batch_tokens=32)}, r"settings\.batch_tokens was 64 and is 32"),
        (
            {"settings": replace(SMALL, options=MetricOptions(near_zero=0.1))},
            r"settings\.near_zero was 0\.01 and is 0\.1",
        ),
        (
            {"settings": replace(SMALL, loading=LoadOptions(dtype="bfloat16"))},
            r'dtype was "float32" and is "bfloat16"',
        ),
    ],
)
def test_resume_refuses_another_plan_and_says_what_differs(
    request_: RunRequest, change: dict[str, Any], named: str
) -> None:
    interrupted(request_, 1)
    before = everything(request_.out)
    with pytest.raises(RunExistsError, match=named):
        run(replace(request_, resume=True, **change))
    assert everything(request_.out) == before


@pytest.mark.slow
def test_resume_refuses_a_model_whose_weights_have_changed(
    request_: RunRequest, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_folder, folder)
    request = replace(request_, models=(f"tiny={folder}",))
    interrupted(request, 1)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunExistsError, match=r"models\[0\]\.files\.model\.safetensors was"):
        run(replace(request, resume=True))


@pytest.mark.slow
def test_a_finished_run_is_kept_unless_forced(request_: RunRequest) -> None:
    run(request_)
    before = everything(request_.out)
    with pytest.raises(RunExistsError, match="holds a finished run"):
        run(request_)
    assert everything(request_.out) == before
    forced = run(replace(request_, force=True, metrics=("residual_norm",)))
    assert set(forced.measurements()["metric"]) == {"residual_norm"}


@pytest.mark.slow
def test_an_interrupted_run_is_kept_and_resume_is_named(request_: RunRequest) -> None:
    interrupted(request_, 1)
    with pytest.raises(RunExistsError, match="--resume"):
        run(request_)


@pytest.mark.slow
def test_a_folder_that_is_no_run_is_kept_unless_forced(request_: RunRequest) -> None:
    request_.out.mkdir()
    letter = request_.out / "letter.txt"
    letter.write_text("dear")
    with pytest.raises(RunExistsError, match="is not a run"):
        run(request_)
    with pytest.raises(RunExistsError, match="is not a run"):
        run(replace(request_, resume=True))
    assert [path.name for path in request_.out.iterdir()] == ["letter.txt"]
    run(replace(request_, force=True))
    assert letter.read_text() == "dear"


@pytest.mark.slow
@pytest.mark.parametrize("shard", [0, 2])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    write = pyarrow.parquet.write_table

    def full(table: Any, path: Path, **options: Any) -> None:
        write(table, path, **options)
        if path.name.endswith(f"-0000{shard}.parquet"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet, "write_table", full)
    with pytest.raises(StoreError, match="the disk is full") as caught:
        run(request_)
    assert "\n" not in str(caught.value)
    if not shard:
        assert not request_.out.exists()
        return
    assert not list(request_.out.rglob(".part-*"))
    monkeypatch.undo()
    assert len(Run(request_.out).measurement_files()) == shard
    assert run(replace(request_, resume=True)).manifest.status == "complete"


def test_a_folder_that_cannot_be_made_is_one_sentence(request_: RunRequest) -> None:
    (request_.out.parent / "file").write_text("")
    with pytest.raises(CortexscopeError, match="a file stands where a folder is needed"):
        run(replace(request_, out=request_.out.parent / "file" / "run"))


@pytest.mark.slow
def test_a_prompt_too_long_is_named_and_can_be_cut(request_: RunRequest, suite_file: Path) -> None:
    text = " ".join(["one"] * 100)
    suite_file.write_text(suite_file.read_text() + f"naming,long,{text}\n")
    with pytest.raises(SuiteError, match=r"small\.csv:14 \(long\) has 100 tokens .* at most 64"):
        run(request_)
    assert not request_.out.exists()
    cut = run(replace(request_, settings=replace(SMALL, truncate=True)))
    (truncation,) = cut.manifest.truncations
    assert (truncation.prompt_id, truncation.tokens, truncation.kept) == ("long", 100, 64)
    frame = cut.measurements()
    assert set(frame.loc[frame["prompt_id"] == "long", "n_tokens"]) == {64}


def test_nothing_is_measured_when_a_later_model_is_wrong(request_: RunRequest) -> None:
    with pytest.raises(CortexscopeError, match="demo-decoder"):
        run(replace(request_, models=(*request_.models, "demo-decodr")))
    assert not request_.out.exists()


def test_two_models_of_one_name_are_refused(request_: RunRequest) -> None:
    with pytest.raises(UsageError, match="Two models are called 'tiny'"):
        run(replace(request_, models=request_.models * 2))


@pytest.mark.slow
def test_the_same_model_twice_under_two_names_gives_the_same_values(
    request_: RunRequest, tiny_folder: Path
) -> None:
    finished = run(replace(request_, models=(f"a={tiny_folder}", f"b={tiny_folder}")))
    frame = finished.measurements().set_index(["metric", "prompt_id", "layer", "head"])
    first, second = (frame[frame["model"] == label]["value"] for label in "ab")
    assert first.equals(second)


@pytest.mark.slow
def test_a_model_that_fails_names_the_prompts(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    def broken(self: Any, x: Any) -> None:
        raise RuntimeError("out of everything\nand more")

    monkeypatch.setattr(LlamaMLP, "forward", broken)
    with pytest.raises(ModelError, match=r"tiny failed on .* counting-5 .*out of everything;"):
        run(replace(request_, selfcheck=False))
    assert not request_.out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prompts.parquet", "models.parquet", "manifest.json"])
def test_a_run_killed_at_its_very_start_can_be_resumed(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    class Killed(BaseException):
        pass

    replace_ = Path.replace

    def killed(self: Path, target: Path) -> None:
        if target.name == name:
            raise Killed
        replace_(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        # A killed process does not tidy up either.
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        patch.setattr("cortexscope.store.RunWriter.abandon", lambda self: None)
        with pytest.raises(Killed):
            run(request_)
    assert list(request_.out.iterdir())
    resumed = run(replace(request_, resume=True))
    assert resumed.manifest.status == "complete"
    assert not list(request_.out.rglob(".part-*"))


@pytest.mark.slow
def test_a_replacement_killed_while_it_clears_leaves_no_finished_run(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(request_)

    class Killed(BaseException):
        pass

    def killed(path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("cortexscope.store._writer.shutil.rmtree", killed)
        with pytest.raises(Killed):
            run(replace(request_, force=True, metrics=("residual_norm",)))
    assert Run(request_.out).manifest.status == "running"
    forced = run(replace(request_, force=True, metrics=("residual_norm",)))
    assert set(forced.measurements()["metric"]) == {"residual_norm"}


def test_a_foreign_folder_of_measurements_is_never_taken_for_our_own(request_: RunRequest) -> None:
    (request_.out / "measurements").mkdir(parents=True)
    (request_.out / "measurements" / "00-tiny-00000.parquet").write_bytes(b"mine")
    with pytest.raises(RunExistsError, match="move that folder away"):
        run(replace(request_, force=True))


@pytest.mark.slow
def test_a_failed_start_in_a_foreign_folder_removes_only_what_it_wrote(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_.out.mkdir()
    own = request_.out / "report.html"
    own.write_text("mine")
    interrupt_after(0, monkeypatch)
    with pytest.raises(Interrupted):
        run(replace(request_, force=True))
    assert [path.name for path in request_.out.iterdir()] == ["report.html"]
    assert own.read_text() == "mine"


@pytest.fixture
def summaries(tmp_path: Path) -> Path:
    file = tmp_path / "summaries.csv"
    file.write_text("task,id,text,summary,target\nt,a,one two three,two,one\nt,b,four five,,\n")
    return file


@pytest.mark.slow
def test_a_model_of_one_stack_reads_texts_and_keeps_targets(
    tiny_folder: Path, summaries: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("task,id,text\nt,a,one two three\nt,b,four five\n")
    found = profile(
        f"tiny={tiny_folder}",
        summaries,
        columns="target=summary",
        metrics=["residual_norm"],
        out=tmp_path / "run",
    )
    plain = profile(f"tiny={tiny_folder}", bare, metrics=["residual_norm"])
    # The file's own column `target`, which was not asked for as one, stays with the prompts.
    assert found.frame().drop(columns="attributes.target").equals(plain.frame())
    targets = found.prompts().set_index("prompt_id")["target"]
    assert targets["a"] == "two"
    assert targets.isna()["b"]
    assert found.manifest.suite.hash != plain.manifest.suite.hash


@pytest.mark.slow
def test_another_target_column_is_another_suite(
    tiny_folder: Path, summaries: Path, tmp_path: Path
) -> None:
    suite = load_suite(summaries, columns="target=summary")
    asked = RunRequest((f"tiny={tiny_folder}",), tmp_path / "run", suite, settings=SMALL)
    run(asked)
    other = load_suite(summaries, columns="target=target")
    with pytest.raises(RunExistsError, match=r"suite\.hash was"):
        run(replace(asked, suite=other, resume=True))


def test_a_target_column_is_named_when_the_suite_is_loaded(
    tiny_folder: Path, summaries: Path
) -> None:
    with pytest.raises(SuiteError, match="no column 'sumary'; did you mean"):
        profile(f"tiny={tiny_folder}", summaries, columns="target=sumary")
    suite = load_suite(summaries, columns="target=summary")
    with pytest.raises(UsageError, match=r"columns was given, and the suite '.*' has no columns"):
        profile(f"tiny={tiny_folder}", suite, columns="target=summary")


def test_a_selection_of_the_catalogue_stands_for_its_models(request_: RunRequest) -> None:
    with pytest.raises(UsageError, match="No model of the catalogue is all of 'family:bert,>1B'"):
        run(replace(request_, models=("family:bert,>1B",)))
    # What it holds is named beside it, and so comes once.
    with pytest.raises(UsageError, match="Two models are called 'pythia-14m'"):
        run(replace(request_, models=("pythia-14m", "pythia-14m=pythia-31m", "family:pythia,<20M")))


@pytest.mark.slow
def test_a_run_says_where_tokens_also_reach_each_other_unseen(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    class Notes(Silent):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def note(self, text: str) -> None:
            self.lines.append(text)

    before = LlamaMLP.forward

    def mixing(self: Any, x: Any) -> Any:
        out = before(self, x)
        out[:, 1:] += 0.5 * x[:, :-1]
        return out

    monkeypatch.setattr(LlamaMLP, "forward", mixing)
    notes = Notes()
    finished = run(request_, notes)
    assert any("outside of the attention that is measured" in line for line in notes.lines)
    verdicts = {found.check: found.passed for found in finished.manifest.checks["tiny"]}
    assert verdicts["nothing unseen"] is False
    assert verdicts["padding right"] is True


@pytest.mark.slow
def test_nothing_is_said_where_attention_is_all_there_is(request_: RunRequest) -> None:
    finished = run(request_)
    assert all(found.passed for found in finished.manifest.checks["tiny"])
    assert {found.check for found in finished.manifest.checks["tiny"]} >= {"nothing unseen"}


@pytest.mark.parametrize(
    "wrong",
    [
        ["--model", "demo-decoder", "--task", "nope"],
        ["--model", "demo-decoder", "--suite", "/nowhere.csv"],
        ["--model", "/nowhere/model"],
        ["--model", "demo-decoder", "--backend", "nope"],
    ],
)
def test_a_wrong_request_does_not_wait_for_torch(tmp_path: Path, wrong: list[str]) -> None:
    code = (
        "import sys; from cortexscope.cli import main; code = main(sys.argv[1:]); "
        "print(code, 'torch' in sys.modules)"
    )
    asked = [sys.executable, "-c", code, "run", *wrong, "--out", str(tmp_path / "run")]
    ended = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["2", "False"], ended.stderr
    assert ended.stderr.startswith("Error: ")


def test_a_run_says_that_it_takes_the_slower_way(
    request_: RunRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Noting(Silent):
        def note(self, text: str) -> None:
            said.append(text)

    monkeypatch.setattr("cortexscope.native.remark", lambda: "slower")
    run(request_, Noting())
    assert said.count("slower") == 1
