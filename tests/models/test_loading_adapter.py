"""An adapter on its base measures as PEFT runs it, and one that does not fit says why."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from models.tiny import FolderMaker, tiny_config
from transformers import LlamaForCausalLM

import cortexscope
from cortexscope.errors import (
    CortexscopeError,
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
    UsageError,
)
from cortexscope.models import LoadOptions, load_model, open_model, parse_reference
from cortexscope.models._quiet import quiet

peft = pytest.importorskip("peft")

IDS = torch.tensor([[2, 4, 5, 6, 7], [2, 8, 9, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def lora(llama: Path, tmp_path: Path) -> Path:
    return make_adapter(llama, tmp_path / "lora")


def make_adapter(base: Path, folder: Path, **changes: Any) -> Path:
    module = LlamaForCausalLM.from_pretrained(base)
    settings = {"r": 2, "target_modules": ["q_proj", "v_proj", "down_proj"], **changes}
    # PEFT asks the model in a way that transformers warns of.
    with quiet():
        wrapped = peft.PeftModel(module, peft.LoraConfig(**settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    wrapped.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.mark.parametrize(
    "config",
    [
        peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=2, use_dora=True),
        peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["embed_tokens"], r=2),
        peft.LoraConfig(target_modules=["q_proj"], init_lora_weights="pissa", r=2),
        peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
        peft.LNTuningConfig(target_modules=["input_layernorm"]),
    ],
    ids=["DoRA", "saved embedding", "PiSSA", "IA3", "norms"],
)
def test_every_kind_that_acts_inside_modules_gives_what_peft_gives(
    llama: Path, tmp_path: Path, config: Any
) -> None:
    with quiet():
        wrapped = peft.get_peft_model(LlamaForCausalLM.from_pretrained(llama), config)
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        wrapped.save_pretrained(tmp_path / "tuned", save_embedding_layers=False)
        base = LlamaForCausalLM.from_pretrained(llama)
        hand = peft.PeftModel.from_pretrained(base, tmp_path / "tuned").eval()
    source = open_model(f"{llama}+{tmp_path / 'tuned'}")
    model = source.load()
    found = model.module(IDS).logits
    assert torch.equal(found, hand(IDS).logits)
    assert not torch.equal(found, load_model(str(llama)).module(IDS).logits)
    assert model.info == source.info


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def measured(module: Any) -> pd.DataFrame:
    with cortexscope.attach(module, label="same") as probe, torch.inference_mode():
        module(input_ids=IDS, attention_mask=MASK)
    return probe.frame()


@pytest.mark.slow
def test_adapter_changes_what_is_measured_to_what_peft_gives(llama: Path, lora: Path) -> None:
    model = load_model(f"{llama}+{lora}")
    with quiet():
        hand = peft.PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(llama), lora).eval()
    found, expected = measured(model.module), measured(hand.get_base_model())
    assert found.equals(expected)
    base = measured(load_model(str(llama)).module)
    both = found.merge(base, on=["prompt_id", "metric", "stack", "layer", "head"])
    norms = both[(both["metric"] == "residual_norm") & (both["layer"] > 0)]
    assert len(norms) == 4
    assert (norms["value_x"] != norms["value_y"]).all()
    assert isinstance(model.module, LlamaForCausalLM)
    assert not any(p.requires_grad for p in model.module.parameters())


def test_record_names_base_and_adapter_and_hashes_both(llama: Path, lora: Path) -> None:
    source = open_model(f"{llama}+{lora}")
    info = source.info
    assert info.model == f"{llama.name}+lora"
    assert info.reference == f"{llama}+{lora}"
    assert info.name == f"{llama.name}+lora"
    plain = open_model(str(llama)).info
    assert set(info.files) - set(plain.files) == {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    }
    content = (lora / "adapter_model.safetensors").read_bytes()
    assert info.files["adapter/adapter_model.safetensors"] == hashlib.sha256(content).hexdigest()
    assert source.load().info == info
    # Rank 2 in two blocks: q 32+32, v 32+16, down 64+32.
    assert info.parameters == plain.parameters + 2 * 2 * (64 + 48 + 96)
    assert open_model(f"mine={llama}+{lora}").info.model == "mine"


@pytest.mark.slow
def test_run_measures_base_and_adapter_side_by_side(
    llama: Path, lora: Path, tmp_path: Path
) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two three\nt,b,four\n")
    both = cortexscope.profile([str(llama), f"{llama}+{lora}"], suite)
    means = both.frame("residual_norm").groupby(["model", "layer"])["value"].mean().unstack()
    assert list(means.index) == ["tiny-llama", "tiny-llama+lora"]
    assert means[0].nunique() == 1
    assert means[2].nunique() == 2


@pytest.mark.parametrize("quantize", [None, "bnb-8bit", "bnb-4bit"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapter_works_on_other_weights(
    make_folder: FolderMaker, tmp_path: Path, quantize: str | None, dtype: str
) -> None:
    torch.manual_seed(0)
    base = make_folder(LlamaForCausalLM(tiny_config(hidden_size=64, intermediate_size=128)))
    adapter = make_adapter(base, tmp_path / "lora")
    with torch.inference_mode():
        exact = load_model(f"{base}+{adapter}").module(IDS[:1]).logits
        plain = load_model(str(base)).module(IDS[:1]).logits
        model = load_model(f"{base}+{adapter}", LoadOptions(quantize=quantize, dtype=dtype))
        found = model.module(IDS[:1]).logits.float()
    assert (found - exact).norm() < 0.5 * (found - plain).norm()
    assert model.info.parameters == open_model(f"{base}+{adapter}").info.parameters


def refusal(reference: str, kind: type[CortexscopeError], **options: Any) -> str:
    with pytest.raises(kind) as caught:
        open_model(reference, LoadOptions(**options))
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_parts_are_named(llama: Path, lora: Path, tmp_path: Path) -> None:
    assert "no adapter './none'" in refusal(f"{llama}+./none", ModelNotFoundError)
    (tmp_path / "empty").mkdir()
    message = refusal(f"{llama}+{tmp_path / 'empty'}", ModelNotFoundError)
    assert "no adapter_config.json" in message
    assert f"BASE+{lora}" in refusal(str(lora), ModelNotFoundError)
    (lora / "adapter_model.safetensors").unlink()
    assert "adapter_model.safetensors" in refusal(f"{llama}+{lora}", ModelNotFoundError)


def test_damaged_adapter_is_named(llama: Path, lora: Path) -> None:
    path = lora / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert "cut short" in refusal(f"{llama}+{lora}", ModelFileError)
    (lora / "adapter_config.json").write_text("{")
    assert "not valid JSON" in refusal(f"{llama}+{lora}", ModelFileError)


def test_adapter_of_another_base_is_refused_before_weights_are_read(
    llama: Path, make_folder: FolderMaker, tmp_path: Path
) -> None:
    wider = make_folder(LlamaForCausalLM(tiny_config(hidden_size=64)), name="wider")
    message = refusal(f"{llama}+{make_adapter(wider, tmp_path / 'a')}", ModelFileError)
    assert "belongs to another base model" in message
    assert "64x2 in the file and 32x2 in the model" in message
    deeper = make_folder(LlamaForCausalLM(tiny_config(num_hidden_layers=3)), name="deeper")
    adapter = make_adapter(deeper, tmp_path / "b")
    assert "no place for" in refusal(f"{llama}+{adapter}", ModelFileError)
    assert "are missing" in refusal(
        f"{deeper}+{make_adapter(llama, tmp_path / 'c')}", ModelFileError
    )
    edit(adapter / "adapter_config.json", target_modules=["c_attn"])
    assert "c_attn" in refusal(f"{llama}+{adapter}", UnsupportedModelError)


def test_pickle_adapter_needs_a_request(llama: Path, lora: Path) -> None:
    from safetensors.torch import load_file

    safe = lora / "adapter_model.safetensors"
    expected = load_model(f"{llama}+{lora}").module(IDS).logits
    torch.save(load_file(safe), lora / "adapter_model.bin")
    safe.unlink()
    assert "adapter_model.bin" in refusal(f"{llama}+{lora}", UnsafeModelError)
    model = load_model(f"{llama}+{lora}", LoadOptions(allow_pickle=True))
    assert model.info.pickle
    assert torch.equal(model.module(IDS).logits, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"peft_type": "PROMPT_TUNING"},
        {"peft_type": "PREFIX_TUNING"},
        {"peft_type": "XLORA"},
        {"peft_type": "NONESUCH"},
        {"alora_invocation_tokens": [4]},
    ],
)
def test_adapter_that_acts_outside_the_modules_is_refused(
    llama: Path, lora: Path, changes: dict[str, Any]
) -> None:
    edit(lora / "adapter_config.json", **changes)
    assert "adapter" in refusal(f"{llama}+{lora}", UnsupportedModelError)


def test_adapter_on_an_offloaded_model_is_refused(llama: Path, lora: Path) -> None:
    message = refusal(f"{llama}+{lora}", UsageError, device_map={"": "disk"})
    assert "merge the two" in message
    model = load_model(f"{llama}+{lora}", LoadOptions(device_map={"": "cpu"}))
    assert torch.equal(model.module(IDS).logits, load_model(f"{llama}+{lora}").module(IDS).logits)


def test_missing_peft_is_one_sentence_that_names_the_extra(
    llama: Path, lora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "'cortexscope[peft]'" in refusal(f"{llama}+{lora}", UsageError)


def test_plus_in_a_path_or_a_version_is_no_adapter(
    llama: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = Path(shutil.copytree(llama, tmp_path / "a+b"))
    (tmp_path / "cpu").mkdir()
    found = parse_reference("a+b")
    assert (found.kind, found.adapter, found.label) == ("folder", None, odd.name)
    found = parse_reference("a+b+lora")
    assert (found.target, found.label) == ("a+b", "a+b+lora")
    assert found.adapter is not None
    assert found.adapter.target == "lora"
    for text in ("pypi:x==1.0+cpu", "pypi:x==1.0+cpu/inside/it"):
        found = parse_reference(text)
        assert (found.revision, found.adapter) == ("1.0+cpu", None)
    found = parse_reference("pypi:x==1.0+lora")
    assert (found.revision, found.adapter is None) == ("1.0", False)


def test_base_and_adapter_may_both_be_on_the_hub() -> None:
    found = parse_reference("me=org/base@v1+other/tuned@v2")
    assert (found.target, found.revision, found.label) == ("org/base", "v1", "me")
    assert found.adapter is not None
    assert (found.adapter.kind, found.adapter.target) == ("hub", "other/tuned")
    assert found.adapter.revision == "v2"
    assert parse_reference("gpt2+org/lora").label == "gpt2+lora"
    with pytest.raises(ModelNotFoundError, match="no adapter 'lora'"):
        parse_reference("gpt2+lora")
