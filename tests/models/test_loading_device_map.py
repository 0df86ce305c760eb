"""A model spread over devices, memory and disk measures what it measures in one place."""

from __future__ import annotations

import gc
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from models.tiny import FolderMaker, tiny_config
from transformers import BertConfig, BertModel, LlamaForCausalLM, PreTrainedModel

import cortexscope
from cortexscope.errors import UsageError
from cortexscope.models import LoadOptions, load_model, open_model
from cortexscope.models._device_map import input_device, is_offloaded, parse_device_map, place

HALF = {
    "model.embed_tokens": "cpu",
    "model.layers.0": "cpu",
    "model.layers.1": "disk",
    "model.norm": "disk",
    "model.rotary_emb": "cpu",
    "lm_head": "cpu",
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "suite.csv"
    path.write_text("task,id,text\nt,a,one two three four\nt,b,five\nt,c,on no one two\n")
    return path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def outline(**changes: Any) -> PreTrainedModel:
    with torch.device("meta"):
        return LlamaForCausalLM._from_config(tiny_config(**changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    "device_map",
    [HALF, {"": "disk"}, {"": "cpu"}, {"": "cpu", "model.layers.1.mlp": "disk"}, "auto"],
    ids=["half on disk", "all on disk", "all on the cpu", "one MLP on disk", "auto"],
)
def test_spread_model_measures_the_same(
    llama: Path, suite: Path, scratch: Path, device_map: str | dict[str, str]
) -> None:
    plain = cortexscope.profile(str(llama), suite)
    settings = cortexscope.Settings(loading=LoadOptions(device_map=device_map))
    spread = cortexscope.profile(str(llama), suite, settings=settings)
    assert spread.frame().equals(plain.frame())
    info = spread.manifest.models[0]
    assert info.placement is not None
    asked = {"": "cpu"} if isinstance(device_map, str) else device_map
    assert set(info.placement.values()) == set(asked.values())
    assert info.parameters == plain.manifest.models[0].parameters
    assert spread.manifest.settings["device_map"] == device_map
    assert plain.manifest.models[0].placement is None


@pytest.mark.slow
@pytest.mark.parametrize("pickle", [False, True])
def test_offloaded_weights_leave_nothing_behind(
    llama: Path, scratch: Path, pickle: bool, tmp_path: Path
) -> None:
    if pickle:
        torch.save(load_model(str(llama)).module.state_dict(), llama / "pytorch_model.bin")
        (llama / "model.safetensors").unlink()
    plain = load_model(str(llama), LoadOptions(allow_pickle=pickle))
    model = load_model(str(llama), LoadOptions(device_map=json.dumps(HALF), allow_pickle=pickle))
    ids = torch.tensor([[2, 4, 5, 6]])
    with torch.inference_mode():
        found = model.module(ids.to(model.device)).logits
        assert torch.equal(found, plain.module(ids).logits)
    assert model.device == torch.device("cpu")
    assert next(model.module.model.layers[1].parameters()).is_meta
    assert (
        model.info == open_model(str(llama), LoadOptions(device_map=HALF, allow_pickle=pickle)).info
    )
    del model, found
    gc.collect()
    assert not list(scratch.iterdir())


def test_failed_load_leaves_nothing_behind(llama: Path, scratch: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}))
    with pytest.raises(cortexscope.CortexscopeError):
        load_model(str(llama), LoadOptions(device_map=HALF))
    assert not list(scratch.iterdir())


@pytest.mark.slow
def test_encoder_can_be_spread(make_folder: FolderMaker, suite: Path) -> None:
    config = BertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    folder = make_folder(BertModel(config))
    spread = {"embeddings": "cpu", "encoder.layer.0": "disk", "encoder": "cpu", "pooler": "disk"}
    settings = cortexscope.Settings(loading=LoadOptions(device_map=spread))
    found = cortexscope.profile(str(folder), suite, settings=settings).frame()
    assert found.equals(cortexscope.profile(str(folder), suite).frame())


def test_accelerators_are_filled_before_memory_and_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    built = outline(num_hidden_layers=8)
    memory: dict[int | str, int] = {0: 160_000, 1: 90_000, "cpu": 90_000}
    monkeypatch.setattr("accelerate.utils.get_max_memory", lambda *_: dict(memory))
    placement = place(built, "sequential", linear_bits=None)
    assert placement["model.embed_tokens"] == "cuda:0"
    assert set(placement.values()) == {"cuda:0", "cuda:1", "cpu", "disk"}
    blocks = [placement[f"model.layers.{number}"] for number in range(8)]
    assert blocks == sorted(blocks, key=["cuda:0", "cuda:1", "cpu", "disk"].index)
    assert is_offloaded(placement)
    smaller = place(built, "sequential", linear_bits=4)
    assert not is_offloaded(smaller)


def test_ids_go_where_the_embedding_is_computed() -> None:
    built = outline()
    for placement, expected in [
        ({"": "cpu"}, "cpu"),
        ({"": "disk"}, "cpu"),
        ({"model.embed_tokens": "cuda:1", "model.layers": "cuda:0"}, "cuda:1"),
        ({"model.embed_tokens": "cpu", "model.layers": "cuda:1"}, "cuda:1"),
        ({"model": "disk", "lm_head": "cuda:0"}, "cuda:0"),
        ({"model": "cuda:0", "model.layers.1": "cpu", "lm_head": "cuda:1"}, "cuda:0"),
    ]:
        assert input_device(built, placement) == torch.device(expected)


def test_weights_rest_off_an_accelerator_or_all_in_one_place() -> None:
    assert not is_offloaded({"": "cpu"})
    assert not is_offloaded({"a": "cuda:0", "b": "cuda:1"})
    assert is_offloaded({"a": "cuda:0", "b": "cpu"})
    assert is_offloaded({"a": "cpu", "b": "disk"})


@pytest.mark.parametrize(
    ("device_map", "says"),
    [
        ("autom", "did you mean 'auto'"),
        ("{'a': 0}", "There is no device map"),
        ("[1]", "There is no device map"),
        ("{}", "is empty"),
        ('{"": "gpu"}', "There is no device 'gpu'"),
        ('{"": null}', "puts '' on None"),
        ('{"": "auto"}', "puts '' on 'auto'"),
        ('{"": true}', "puts '' on True"),
        ({"model": "cpu"}, "says nothing of lm_head.weight"),
        ({"model": "disk", "lm_head": "cpu"}, "are one weight"),
        ({"model.layers.0": "cpu"}, "says nothing of model.embed_tokens.weight"),
        ({"": "cpu", "model.layer.0": "disk"}, "did you mean 'model.layers.0'"),
    ],
)
def test_wrong_map_is_a_usage_error(llama: Path, device_map: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_model(str(llama), LoadOptions(device_map=device_map))
    assert says in str(caught.value)


def test_device_and_map_together_are_refused(llama: Path) -> None:
    with pytest.raises(UsageError, match="leave the device out"):
        open_model(str(llama), LoadOptions(device="cpu", device_map="auto"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_map_to_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no CUDA GPU"):
        parse_device_map({"": 0})
