"""Attention runs as something that can be seen into, whatever a model's configuration names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from families import tiny_model
from models.tiny import FolderMaker
from transformers import LlavaConfig

import cortexscope
from cortexscope.cli import main
from cortexscope.errors import UsageError
from cortexscope.models import LoadOptions, load_model, open_model
from cortexscope.models._config import read_config
from cortexscope.store import Run

UNSEEN = [
    "flash_attention_2",
    "flash_attention_3",
    "flex_attention",
    "paged|eager",
    "kernels-community/flash-attn2",
    "who/kernel:attend",
    "fastest",
    7,
    ["sdpa"],
    {"": "flash_attention_2", "vision_config": "eager"},
]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.csv"
    path.write_text("task,id,text\nt,a,one two three four\nt,b,five\n")
    return path


def name_attention(folder: Path, named: object, *, key: str = "_attn_implementation") -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: named}))
    return folder


@pytest.mark.parametrize("key", ["_attn_implementation", "attn_implementation"])
@pytest.mark.parametrize("named", UNSEEN, ids=str)
def test_unseen_attention_is_replaced_and_said(llama: Path, named: Any, key: str) -> None:
    lines: list[str] = []
    model = load_model(str(name_attention(llama, named, key=key)), note=lines.append)
    assert model.module.config._attn_implementation == model.info.attention == "sdpa"
    shown = named[""] if isinstance(named, dict) else str(named)
    assert len(lines) == 1
    assert repr(shown) in lines[0]
    assert lines[0].startswith("tiny-llama: runs its attention as sdpa")


@pytest.mark.parametrize("named", ["sdpa", "eager", None])
def test_attention_that_can_be_seen_is_kept(llama: Path, named: str | None) -> None:
    lines: list[str] = []
    model = load_model(str(name_attention(llama, named)), note=lines.append)
    assert model.info.attention == model.module.config._attn_implementation == (named or "sdpa")
    assert lines == []


@pytest.mark.parametrize(
    ("family", "runs"), [("gpt_neox", "sdpa"), ("bert", "sdpa"), ("bloom", "eager"), ("t5", None)]
)
def test_other_families_fall_back_to_what_they_have(
    make_folder: FolderMaker, family: str, runs: str | None
) -> None:
    built = tiny_model(family)
    folder = make_folder(built)
    plain = load_model(str(folder))
    found = load_model(str(name_attention(folder, "flash_attention_2")))
    assert found.info == plain.info.model_copy(update={"files": found.info.files})
    assert runs in (None, found.info.attention)
    ids = torch.tensor([[3, 4, 5]])
    inputs = {"input_ids": ids}
    if built.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    assert torch.equal(found.module(**inputs)[0], plain.module(**inputs)[0])


def test_attention_of_parts_is_read_part_by_part(tmp_path: Path) -> None:
    config = LlavaConfig(text_config={"model_type": "llama"})
    config.save_pretrained(tmp_path)
    named = {"text_config": "eager", "vision_config": "who/kernel"}
    hidden: list[str] = []
    found = read_config(
        name_attention(tmp_path, named), trust_remote_code=False, note=hidden.extend
    )
    assert hidden == ["who/kernel"]
    assert found.text_config._attn_implementation == "eager"
    assert found.vision_config._attn_implementation is None


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_command_line_overrules_what_the_model_names(
    llama: Path, suite: Path, tmp_path: Path, attention: str
) -> None:
    name_attention(llama, "flash_attention_2")
    out = tmp_path / "run"
    command = ["run", "--model", f"m={llama}", "--suite", str(suite), "--out", str(out), "-q"]
    assert main([*command, "--attention", attention, "--generate", "2", "--no-report"]) == 0
    manifest = Run(out).manifest
    assert manifest.settings["attention"] == attention
    assert manifest.models[0].attention == attention
    assert manifest.notes == {}
    found = Run(out).measurements()
    settings = cortexscope.Settings(loading=LoadOptions(attention=attention))
    assert found.equals(
        cortexscope.profile(f"m={llama}", suite, settings=settings, generate=2).frame()
    )
    assert found.equals(
        cortexscope.profile(f"m={llama}", suite, attention=attention, generate=2).frame()
    )


@pytest.mark.slow
def test_run_tells_of_replaced_attention_in_manifest_and_report(
    llama: Path, pristine: Path, suite: Path, tmp_path: Path
) -> None:
    name_attention(llama, "flash_attention_2")
    found = cortexscope.profile(f"m={llama}", suite, out=tmp_path / "run")
    assert found.frame().equals(cortexscope.profile(f"m={pristine}", suite).frame())
    (note,) = found.manifest.notes["m"]
    assert "'flash_attention_2'" in note
    assert "flash_attention_2" in found.report().read_text(encoding="utf-8")


@pytest.mark.slow
def test_selfcheck_takes_the_choice(llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name_attention(llama, "flex_attention")
    assert main(["selfcheck", str(llama), "--attention", "eager"]) == 0
    assert "flex_attention" not in capsys.readouterr().err
    assert main(["selfcheck", str(llama)]) == 0
    assert "'flex_attention'" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["flash_attention_2", "who/kernel", "sdpaa"])
def test_other_choice_is_refused(
    llama: Path, suite: Path, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="choose one of the two"):
        open_model(str(llama), LoadOptions(attention=asked))
    command = ["run", "--model", str(llama), "--suite", str(suite), "--attention", asked]
    assert main(command) == 2
    assert "eager and sdpa" in capsys.readouterr().err
