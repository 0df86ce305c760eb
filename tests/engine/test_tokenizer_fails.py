"""A tokenizer that fails on one text only is named with that text, and other models go on."""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cortexscope.cli import main
from cortexscope.engine import Generation, RunRequest, Settings, match_lengths, run
from cortexscope.errors import ModelFileError
from cortexscope.interventions import Change
from cortexscope.models import load_model
from cortexscope.tasks import load_suite

# A table of letters that is cut short: looking up one behind it panics in Rust.
CUT_SHORT = base64.b64encode(struct.pack("<I", 512) + bytes(512)).decode()


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    file = folder / "tokenizer.json"
    read = json.loads(file.read_text())
    change(read)
    file.write_text(json.dumps(read))
    return folder


def panics_on_accents(read: dict[str, Any]) -> None:
    read["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": CUT_SHORT}


@pytest.fixture
def bad(tiny_folder: Path, tmp_path: Path) -> Path:
    return changed(Path(shutil.copytree(tiny_folder, tmp_path / "bad")), panics_on_accents)


@pytest.fixture
def request_of_two(bad: Path, tiny_folder: Path, tmp_path: Path) -> RunRequest:
    suite = tmp_path / "s.csv"
    suite.write_text("task,id,text\nt,plain,one two three\nt,accent,one é two\n", encoding="utf-8")
    return RunRequest(
        models=(f"bad={bad}", f"good={tiny_folder}"),
        suite=suite,
        out=tmp_path / "run",
        metrics=("residual_norm",),
        settings=Settings(batch_tokens=64, shard_batches=1),
    )


@pytest.mark.parametrize("last", [False, True])
def test_the_others_go_on_and_the_mended_one_is_measured_alone(
    request_of_two: RunRequest, tiny_folder: Path, tmp_path: Path, last: bool
) -> None:
    models = request_of_two.models[::-1] if last else request_of_two.models
    asked = replace(request_of_two, models=models)
    found = run(asked)
    assert found.manifest.status == "failed"
    assert "The tokenizer of bad fails on " in found.manifest.failures["bad"]
    assert "s.csv:3 (accent): index out of bounds" in found.manifest.failures["bad"]
    assert set(found.measurements()["model"]) == {"good"}
    shutil.copy(tiny_folder / "tokenizer.json", tmp_path / "bad")
    mended = run(replace(asked, resume=True))
    assert (mended.manifest.status, mended.manifest.failures) == ("complete", {})
    whole = run(replace(asked, out=tmp_path / "whole"))
    assert mended.measurements_table().equals(whole.measurements_table())


def test_a_model_alone_is_refused_before_anything_is_written(
    request_of_two: RunRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--suite", str(request_of_two.suite), "--out", str(request_of_two.out)]
    assert main(["run", "--model", request_of_two.models[0], *asked]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: The tokenizer of bad fails on ")
    assert "(accent): index out of bounds" in said
    assert said.count("\n") == 1
    assert not Path(request_of_two.out).exists()
    with pytest.raises(ModelFileError, match=r"bad fails on .*\(accent\)"):
        run(replace(request_of_two, fail_fast=True))


def test_what_reads_texts_beside_a_run_says_it_too(request_of_two: RunRequest) -> None:
    suite = load_suite(request_of_two.suite)
    with pytest.raises(ModelFileError, match=r"bad fails on .*\(accent\): index out of bounds"):
        match_lengths(suite, request_of_two.models[:1])


def test_what_was_generated_and_cannot_be_written_is_named(
    tiny_folder: Path, request_of_two: RunRequest, tmp_path: Path
) -> None:
    def cuts_too_much(read: dict[str, Any]) -> None:
        # Of a token of one letter both ends are cut, which panics in Rust.
        letter = {"type": "Replace", "pattern": {"Regex": ".+"}, "content": "o"}
        cut = {"type": "Strip", "content": "o", "start": 1, "stop": 1}
        read["decoder"] = {"type": "Sequence", "decoders": [letter, cut]}

    mute = changed(Path(shutil.copytree(tiny_folder, tmp_path / "mute")), cuts_too_much)
    settings = replace(request_of_two.settings, generate=Generation(tokens=2))
    models = (f"mute={mute}", f"good={tiny_folder}")
    found = run(replace(request_of_two, models=models, settings=settings))
    said = found.manifest.failures["mute"]
    assert re.match(r"Its tokenizer fails on what was generated after \w+: slice index", said)
    assert set(found.generations()["model"]) == {"good"}


def test_an_edit_that_reads_texts_names_the_one(bad: Path) -> None:
    model = load_model(str(bad))
    with (
        pytest.raises(ModelFileError, match="fails on 'one é two': index out of bounds"),
        Change.of("heads:1.0=mean").applied(model, reference=["one two", "one é two"]),
    ):
        pass
