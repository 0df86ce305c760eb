"""The command line hands every option of loading on, and the manifest keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models.tiny import FolderMaker, tiny_config
from transformers import LlamaForCausalLM

from cortexscope.cli import main
from cortexscope.store import Run


@pytest.fixture
def command(make_folder: FolderMaker, tmp_path: Path) -> list[str]:
    torch.manual_seed(0)
    folder = make_folder(LlamaForCausalLM(tiny_config(hidden_size=64, intermediate_size=128)))
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two three\nt,b,four\n")
    run = ["run", "--model", f"tiny={folder}", "--suite", str(suite), "--quiet", "--no-report"]
    return [*run, "--out", str(tmp_path / "run")]


def test_options_reach_the_model_and_the_manifest(command: list[str], tmp_path: Path) -> None:
    tokenizer = str(tmp_path / "made")
    options = ["--dtype", "bf16", "--quantize", "bnb-4bit", "--tokenizer", tokenizer]
    assert main([*command, *options, "--device-map", '{"": "cpu"}']) == 0
    manifest = Run(tmp_path / "run").manifest
    info = manifest.models[0]
    assert (info.dtype, info.quantization, info.placement) == ("bfloat16", "bnb-4bit", {"": "cpu"})
    assert manifest.settings["tokenizer"] == tokenizer
    assert manifest.settings["device_map"] == '{"": "cpu"}'


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--device", "cpu", "--device-map", "auto"], "leave the device out"),
        (["--device-map", "everywhere"], "There is no device map 'everywhere'"),
        (["--quantize", "int3"], "There is no quantisation 'int3'"),
        (["--tokenizer", "./nowhere"], "'./nowhere'"),
        (["--model", "demo-decoder+./nowhere"], "There is no adapter './nowhere'"),
    ],
)
def test_wrong_option_ends_with_one_sentence(
    command: list[str], options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *options]) == 2
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
