"""A run goes on only with the very files that it began with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from models.tiny import tiny_config, tiny_tokenizer
from transformers import LlamaForCausalLM

from cortexscope.cli import main
from cortexscope.models import LoadOptions, open_model
from cortexscope.store import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "tiny", seed=0)


def make_folder(path: Path, *, seed: int) -> Path:
    torch.manual_seed(seed)
    LlamaForCausalLM(tiny_config()).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def command(folder: Path, *more: str) -> list[str]:
    out = folder.parent / "run"
    suite = folder.parent / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two three\nt,b,four\n")
    run = ["run", "--model", f"m={folder}", "--suite", str(suite), "--out", str(out)]
    return [*run, "--metric", "residual_norm", "--quiet", "--no-report", *more]


def write(name: str, content: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(
            content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
        )

    return change


CHANGES = {
    "generation_config.json": {"eos_token_id": [3, 5]},
    "chat_template.jinja": "{{ messages[0]['content'] }}!",
    "additional_chat_templates/tools.jinja": "{{ messages }}",
    "sentence_bert_config.json": {"max_seq_length": 60, "do_lower_case": False},
    "special_tokens_map.json": {"eos_token": "five"},
    "added_tokens.json": {},
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_file_is_named_and_the_run_stopped(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(folder)) == 0
    assert main(command(folder, "--resume")) == 0
    write(name, CHANGES[name])(folder)
    assert main(command(folder, "--resume")) == 2
    said = capsys.readouterr().err
    assert "the plan has changed" in said
    assert name in said


def test_weights_behind_a_link_are_read_and_not_believed(tmp_path: Path) -> None:
    """A link to a file that is named as a hash says nothing of what is in it."""
    folder = make_folder(tmp_path / "tiny", seed=0)
    weights = folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    blob = tmp_path / "blobs" / digest
    blob.parent.mkdir()
    shutil.move(weights, blob)
    weights.symlink_to(blob)
    assert open_model(str(folder)).info.files["model.safetensors"] == digest
    assert main(command(folder)) == 0
    times = blob.stat()
    shutil.copy(make_folder(tmp_path / "other", seed=1) / "model.safetensors", blob)
    os.utime(blob, ns=(times.st_atime_ns, times.st_mtime_ns))
    found = open_model(str(folder)).info.files["model.safetensors"]
    assert found == hashlib.sha256(blob.read_bytes()).hexdigest() != digest
    assert main(command(folder, "--resume")) == 2


def test_code_counts_with_what_it_imports(folder: Path) -> None:
    write(
        "own.py",
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "from .more import SIZE\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n",
    )(folder)
    write("more.py", "SIZE = 1\n")(folder)
    path = folder / "config.json"
    mapped = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    raw = {**json.loads(path.read_text()), "model_type": "own", "auto_map": mapped}
    path.write_text(json.dumps({**raw, "architectures": ["OwnForCausalLM"]}))
    first = open_model(str(folder), LoadOptions(trust_remote_code=True)).info.files
    assert {"code/own.py", "code/more.py"} <= first.keys()
    write("more.py", "SIZE = 2\n")(folder)
    second = open_model(str(folder), LoadOptions(trust_remote_code=True)).info.files
    assert {name for name in first if first[name] != second[name]} == {"code/more.py"}


def test_manifest_of_an_earlier_version_still_opens(folder: Path) -> None:
    assert main(command(folder)) == 0
    path = folder.parent / "run" / "manifest.json"
    raw = json.loads(path.read_text())
    for record, names in ((raw, ["notes"]), (raw["models"][0], ["attention", "tokenizer"])):
        for name in names:
            record.pop(name)
    path.write_text(json.dumps(raw))
    found = Run(folder.parent / "run")
    assert (found.manifest.notes, found.manifest.models[0].attention) == ({}, None)
    assert len(found.measurements())
