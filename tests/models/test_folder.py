"""A wrong model folder gives one sentence that names the file, and a right one a true record."""

from __future__ import annotations

import hashlib
import json
import logging
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, is_causal, tiny_model
from models.tiny import FolderMaker, tiny_config
from transformers import BertConfig, BertModel, LlamaForCausalLM, PreTrainedConfig

from cortexscope.errors import (
    ModelError,
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
    UsageError,
)
from cortexscope.models import LoadOptions, load_model, open_model


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(folder: Path, kind: type[ModelError] = ModelFileError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load_model(str(folder), LoadOptions(**options))
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


def test_record_is_filled_without_weights_and_true_after_loading(llama: Path) -> None:
    source = open_model(str(llama))
    model = source.load()
    info = source.info
    assert info == model.info
    assert info.parameters == sum(p.numel() for p in model.module.parameters())
    assert (info.layers, info.heads, info.kv_heads, info.hidden_size) == (2, 4, 2, 32)
    assert (info.vocabulary, info.context, info.dtype) == (12, 64, "float32")
    assert (info.family, info.stack_kind, info.name) == ("llama", "decoder", "tiny-llama")
    assert info.files["model.safetensors"] == (
        hashlib.sha256((llama / "model.safetensors").read_bytes()).hexdigest()
    )
    assert set(info.files) == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


def test_loaded_weights_are_those_of_the_folder(llama: Path) -> None:
    torch.manual_seed(0)
    saved = LlamaForCausalLM(tiny_config()).state_dict()
    loaded = load_model(str(llama)).module.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


@pytest.mark.parametrize("family", FAMILIES)
def test_record_of_each_family_is_true_after_loading(make_folder: FolderMaker, family: str) -> None:
    built = tiny_model(family)
    source = open_model(str(make_folder(built)))
    assert source.load().info == source.info
    assert source.info.parameters == sum(p.numel() for p in built.parameters())
    two_stacks = built.config.is_encoder_decoder
    one = "decoder" if is_causal(family) else "encoder"
    assert source.info.layers == (6 if two_stacks else 3)
    assert source.info.stack_kind == ("encoder-decoder" if two_stacks else one)


def test_sharded_folder_loads_and_names_missing_shards(make_folder: FolderMaker) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config()), max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    assert {shard.name for shard in shards} < set(load_model(str(folder)).info.files)
    shards[1].unlink()
    assert shards[1].name in refusal(folder, ModelNotFoundError)


def test_shards_outside_the_folder_are_refused(make_folder: FolderMaker) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config()), max_shard_size="20KB")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../other.safetensors"}}))
    assert "../other.safetensors" in refusal(folder, UnsafeModelError)
    index.write_text("{}")
    assert "weight_map" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_cut_safetensors_is_named(llama: Path, kept: int) -> None:
    path = llama / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    message = refusal(llama)
    assert str(path) in message
    assert "cut short" in message


def test_safetensors_that_is_something_else_is_named(llama: Path) -> None:
    path = llama / "model.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in refusal(llama)
    path.write_bytes(struct.pack("<Q", 2) + b"{}")
    assert "no tensors" in refusal(llama)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{bad", "not valid JSON (line 1)"),
        ("[1]", "no JSON object"),
        ("{}", "names no model_type"),
        ("\xff", "not valid JSON"),
    ],
)
def test_wrong_config_is_named(llama: Path, content: str, says: str) -> None:
    (llama / "config.json").write_text(content, encoding="latin-1")
    message = refusal(llama)
    assert says in message
    assert "config.json" in message


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"model_type": "nonesuch"}, UnsupportedModelError, "'nonesuch'"),
        (
            {"model_type": "nonesuch", "auto_map": {"AutoConfig": "x.Y"}},
            UnsafeModelError,
            "run code",
        ),
        ({"hidden_size": "wide"}, ModelFileError, "hidden_size"),
        ({"architectures": ["BertModel"]}, ModelFileError, "do not belong together"),
        ({"experts_implementation": "who/kernel"}, UnsafeModelError, "who/kernel"),
        ({"parts": [{"attn_implementation": {"": "a/k"}}]}, UnsafeModelError, "'a/k'"),
        ({"num_hidden_layers": 3}, ModelFileError, "are missing"),
        ({"intermediate_size": 128}, ModelFileError, "another shape"),
    ],
)
def test_config_that_cannot_be_used_says_why(
    llama: Path, changes: dict[str, Any], kind: type[ModelError], says: str
) -> None:
    edit_config(llama, **changes)
    assert says in refusal(llama, kind)


def test_code_of_the_folder_never_runs_for_a_known_model(llama: Path) -> None:
    (llama / "evil.py").write_text("raise SystemExit('ran')")
    edit_config(llama, auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    assert not load_model(str(llama)).info.remote_code
    assert not load_model(str(llama), LoadOptions(trust_remote_code=True)).info.remote_code


def test_code_of_the_folder_runs_only_by_request(llama: Path) -> None:
    (llama / "own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    mapped = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    edit_config(llama, model_type="own", architectures=["OwnForCausalLM"], auto_map=mapped)
    assert "trust" in refusal(llama, UnsafeModelError)
    model = load_model(str(llama), LoadOptions(trust_remote_code=True))
    assert type(model.module).__name__ == "OwnForCausalLM"
    assert model.info.remote_code
    assert model.info.stack_kind == "decoder"
    assert "code/own.py" in model.info.files


def test_tokenizer_code_needs_a_request(llama: Path) -> None:
    path = llama / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings["auto_map"] = {"AutoTokenizer": ["own.T", None]}
    settings["tokenizer_class"] = "OwnTokenizer"
    path.write_text(json.dumps(settings))
    (llama / "own.py").write_text("raise SystemExit('ran')")
    (llama / "tokenizer.json").unlink()
    assert "run code" in refusal(llama, UnsafeModelError)


def test_missing_parts_are_named(llama: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (llama / name).unlink()
    assert "no tokenizer" in refusal(llama, ModelNotFoundError)
    (llama / "model.safetensors").unlink()
    assert "no weights" in refusal(llama, ModelNotFoundError)
    (llama / "some.gguf").touch()
    assert "some.gguf" in refusal(llama, ModelNotFoundError)
    (llama / "config.json").unlink()
    assert "give the path" in refusal(llama, ModelNotFoundError)
    (llama / "adapter_config.json").write_text("{}")
    assert "adapter" in refusal(llama, ModelNotFoundError)


def test_damaged_tokenizer_is_named(llama: Path) -> None:
    (llama / "tokenizer.json").write_text("{")
    assert "tokenizer" in refusal(llama)


def test_pickle_weights_need_a_request(llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    torch.manual_seed(0)
    torch.save(LlamaForCausalLM(tiny_config()).state_dict(), llama / "pytorch_model.bin")
    message = refusal(llama, UnsafeModelError)
    assert "pytorch_model.bin" in message
    model = load_model(str(llama), LoadOptions(allow_pickle=True))
    assert model.info.pickle
    assert "pytorch_model.bin" in model.info.files


def test_pickle_that_runs_code_is_stopped_even_by_request(llama: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, ("raise SystemExit('ran')",))

    (llama / "model.safetensors").unlink()
    torch.save({"a": Attack()}, llama / "pytorch_model.bin")
    assert "cannot be loaded" in refusal(llama, allow_pickle=True)


def test_a_pooler_is_the_only_part_that_may_be_missing(make_folder: FolderMaker) -> None:
    config = BertConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    folder = make_folder(BertModel(config, add_pooling_layer=False))
    assert load_model(str(folder)).info.stack_kind == "encoder"


def test_ties_that_the_checkpoint_does_not_keep_are_counted_apart(
    make_folder: FolderMaker,
) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config(tie_word_embeddings=False)))
    edit_config(folder, tie_word_embeddings=True)
    model = load_model(str(folder))
    assert model.info.parameters == sum(p.numel() for p in model.module.parameters())


@pytest.mark.parametrize(
    ("dtype", "loaded"),
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("auto", torch.float16)],
)
def test_dtype_is_the_one_asked_for(
    make_folder: FolderMaker, dtype: str, loaded: torch.dtype
) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config()).half())
    model = load_model(str(folder), LoadOptions(dtype=dtype))
    assert model.module.dtype is loaded
    assert model.info.dtype == str(loaded).removeprefix("torch.")


def test_auto_dtype_is_read_from_the_weights_where_the_config_names_none(
    make_folder: FolderMaker,
) -> None:
    folder = make_folder(LlamaForCausalLM(tiny_config()).bfloat16())
    config = json.loads((folder / "config.json").read_text())
    config.pop("dtype")
    (folder / "config.json").write_text(json.dumps(config))
    assert load_model(str(folder), LoadOptions(dtype="auto")).info.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("dtype", "float23", "did you mean 'float32'"),
        ("device", "gpu", "There is no device 'gpu'"),
        ("device", "cpu:1", "There is no device 'cpu:1'"),
        ("device", "cuda:", "There is no device 'cuda:'"),
        ("attention", "sdpaa", "sdpaa"),
        ("attention", "who/kernel", "choose one of the two"),
        ("attention", "flex_attention", "only eager and sdpa"),
    ],
)
def test_wrong_option_is_a_usage_error(llama: Path, option: str, value: str, says: str) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(UsageError) as caught:
        open_model(str(llama), LoadOptions(**options))
    assert says in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_is_refused_where_there_is_none(llama: Path) -> None:
    with pytest.raises(UsageError, match="no CUDA GPU"):
        open_model(str(llama), LoadOptions(device="cuda"))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_passed_through(llama: Path, attention: str) -> None:
    module = load_model(str(llama), LoadOptions(attention=attention)).module
    assert module.config._attn_implementation == attention


def test_nothing_is_said_and_every_setting_is_restored(
    llama: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging as noise

    before = noise.get_verbosity(), noise.is_progress_bar_enabled(), are_progress_bars_disabled()
    edit_config(llama, intermediate_size=128)
    refusal(llama)
    edit_config(llama, intermediate_size=64)
    load_model(str(llama))
    after = noise.get_verbosity(), noise.is_progress_bar_enabled(), are_progress_bars_disabled()
    assert before == after
    assert before[0] < logging.CRITICAL
    assert capfd.readouterr() == ("", "")


def test_source_knows_what_was_asked(llama: Path) -> None:
    source = open_model(f"mine={llama}", LoadOptions(dtype="bfloat16"))
    assert (source.label, source.reference) == ("mine", str(llama))
    assert source.options.dtype == "bfloat16"
    assert isinstance(source.config, PreTrainedConfig)
