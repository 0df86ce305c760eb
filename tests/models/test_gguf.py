"""A `.gguf` file is converted once, exactly, and a damaged one leaves nothing behind."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
import torch
from models.tiny import tiny_config, write_gguf
from transformers import LlamaForCausalLM

from cortexscope.errors import (
    ModelError,
    ModelFileError,
    ModelNotFoundError,
    StoreError,
    UnsupportedModelError,
)
from cortexscope.models import LoadOptions, load_model, open_model


def left_in_cache(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def refusal(path: Path, tmp_path: Path, kind: type[ModelError] = ModelFileError) -> str:
    with pytest.raises(kind) as caught:
        open_model(str(path))
    assert type(caught.value) is kind
    assert left_in_cache(tmp_path) == []
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_converted_weights_are_exact_and_converted_once(
    gguf_file: Path, pristine: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    model = load_model(str(gguf_file), note=lines.append)
    assert [line.split()[0] for line in lines] == ["Converting", "Converted"]
    original = LlamaForCausalLM.from_pretrained(pristine).eval()
    ids = torch.tensor([[2, 4, 5, 6, 7]])
    assert torch.equal(model.module(ids).logits, original(ids).logits)
    assert model.info.parameters == sum(p.numel() for p in original.parameters())
    assert model.info.files == {
        "tiny-llama.gguf": hashlib.sha256(gguf_file.read_bytes()).hexdigest()
    }
    assert (model.info.model, model.info.name) == ("tiny-llama", "tiny-llama")
    assert model.tokenizer.convert_ids_to_tokens([4, 11]) == ["one", "on"]
    capfd.readouterr()

    again: list[str] = []
    assert load_model(str(gguf_file), note=again.append).info == model.info
    assert again == []
    assert capfd.readouterr() == ("", "")


def test_conversion_says_nothing_on_its_own(
    gguf_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_model(str(gguf_file))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kept", [0, 3, 4, 30, 300, 1500, -1, -5000])
def test_cut_file_is_refused_and_leaves_nothing(gguf_file: Path, tmp_path: Path, kept: int) -> None:
    gguf_file.write_bytes(gguf_file.read_bytes()[:kept])
    assert "fetch the file again" in refusal(gguf_file, tmp_path)


def test_file_of_another_kind_is_refused(gguf_file: Path, tmp_path: Path) -> None:
    gguf_file.write_bytes(b"<html>not here</html>" * 100)
    assert "is no GGUF file" in refusal(gguf_file, tmp_path)
    gguf_file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    assert "no complete weights" in refusal(gguf_file, tmp_path)
    gguf_file.write_bytes(b"GGUF" + b"\xff" * 5000)
    assert "damaged" in refusal(gguf_file, tmp_path)


def test_missing_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import models.tiny as tiny

    whole = tiny.gguf_tensors
    monkeypatch.setattr(
        tiny,
        "gguf_tensors",
        lambda model: ((name, array) for name, array in whole(model) if "1.ffn_up" not in name),
    )
    write_gguf(tmp_path / "hole.gguf", LlamaForCausalLM(tiny_config()))
    message = refusal(tmp_path / "hole.gguf", tmp_path)
    assert "model.layers.1.mlp.up_proj.weight" in message


def test_unknown_architecture_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    write_gguf(path, LlamaForCausalLM(tiny_config()), architecture="nonesuch")
    assert "nonesuch" in refusal(path, tmp_path, UnsupportedModelError)


def test_full_disk_is_a_store_error_and_leaves_nothing(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", fail)
    with pytest.raises(StoreError, match="disk is full"):
        open_model(str(gguf_file))
    assert left_in_cache(tmp_path) == []


@pytest.mark.parametrize("words", [None, "rwkv"])
def test_file_without_tokenizer_reads_with_another(
    pristine: Path, tmp_path: Path, words: str | None
) -> None:
    original = LlamaForCausalLM.from_pretrained(pristine).eval()
    path = tmp_path / "wordless.gguf"
    write_gguf(path, original, words=words)
    for _ in range(2):
        with pytest.raises(ModelNotFoundError, match=r"wordless\.gguf.*--tokenizer REF") as caught:
            open_model(str(path))
        assert ("'rwkv'" if words else "it holds none") in str(caught.value)
    lines: list[str] = []
    model = load_model(str(path), LoadOptions(tokenizer=str(pristine)), note=lines.append)
    assert lines == []
    ids = torch.tensor([[2, 4, 5, 6, 7]])
    assert torch.equal(model.module(ids).logits, original(ids).logits)
    assert model.tokenizer("one two").input_ids == [4, 5]
    assert model.info.tokenizer is not None
    assert model.info.tokenizer.source == str(pristine)
    with pytest.raises(ModelNotFoundError, match=r"wordless\.gguf"):
        open_model(str(pristine), LoadOptions(tokenizer=str(path)))
