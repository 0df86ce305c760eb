"""An adapter that was trained with other tokens than its base's measures as PEFT runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from models.tiny import WORDS, FolderMaker, tiny_config, tiny_tokenizer
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import cortexscope
from cortexscope.errors import ModelFileError
from cortexscope.models import LoadOptions, load_model, open_model
from cortexscope.models._quiet import quiet

peft = pytest.importorskip("peft")

MORE = len(WORDS) + 2
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
IDS = torch.tensor([[2, 4, MORE - 2, 5, MORE - 1]])
SHARED = {"vocab_size": len(WORDS), "intermediate_size": 24, **SMALL}

BASES = {
    "llama": lambda tie: LlamaForCausalLM(tiny_config(tie_word_embeddings=tie)),
    "qwen2": lambda tie: Qwen2ForCausalLM(
        Qwen2Config(num_key_value_heads=1, tie_word_embeddings=tie, **SHARED)
    ),
    "gpt2": lambda tie: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=32,
            bos_token_id=2, eos_token_id=3, tie_word_embeddings=tie,
        )
    ),
    "bert": lambda tie: BertForMaskedLM(BertConfig(tie_word_embeddings=tie, **SHARED)),
}  # fmt: skip
INNER = {"llama": "q_proj", "qwen2": "q_proj", "gpt2": "c_attn", "bert": "query"}
ENDS = {
    "llama": ["embed_tokens", "lm_head"],
    "qwen2": ["embed_tokens", "lm_head"],
    "gpt2": ["wte", "lm_head"],
    "bert": ["word_embeddings", "decoder"],
}


def tuned(base: Path, folder: Path, *, rows: int = MORE, **settings: Any) -> Path:
    """Write an adapter of a base that was given more tokens, as a user of PEFT does it."""
    module = opened(base, rows)
    with quiet():
        wrapped = peft.get_peft_model(module, peft.LoraConfig(r=2, **settings))
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        wrapped.save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["six", "seven"])
    tokenizer.save_pretrained(folder)
    return folder


def opened(base: Path, rows: int) -> PreTrainedModel:
    """Return a base with so many tokens, its new ones random."""
    auto = AutoModelForMaskedLM if base.name == "bert" else AutoModelForCausalLM
    with quiet():
        module: PreTrainedModel = auto.from_pretrained(base)
        module.resize_token_embeddings(rows)
    return module


def by_hand(base: Path, folder: Path, rows: int = MORE) -> Any:
    """Return what PEFT makes of a base and an adapter, as its guide tells."""
    with quiet():
        return peft.PeftModel.from_pretrained(opened(base, rows), folder).eval()


@pytest.mark.slow
@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("family", BASES)
@pytest.mark.parametrize("way", ["saved whole", "resized alone", "LoRA on both ends"])
def test_resized_adapter_gives_what_peft_gives(
    make_folder: FolderMaker, tmp_path: Path, family: str, tie: bool, way: str
) -> None:
    torch.manual_seed(0)
    base = make_folder(BASES[family](tie), family)
    inner, ends = [INNER[family]], ENDS[family]
    settings: dict[str, Any] = {
        "saved whole": {"target_modules": inner, "modules_to_save": ends},
        "resized alone": {"target_modules": inner},
        "LoRA on both ends": {"target_modules": [*inner, *ends]},
    }[way]
    adapter = tuned(base, tmp_path / "tuned", **settings)
    hand = by_hand(base, adapter)
    source = open_model(f"{base}+{adapter}")
    model = source.load()
    with torch.inference_mode():
        assert torch.equal(model.module(input_ids=IDS).logits, hand(input_ids=IDS).logits)
        assert measured(model.module).equals(measured(hand.get_base_model()))
    assert model.info.vocabulary == MORE
    assert source.info == model.info
    assert source.tokenizer("six seven").input_ids == [MORE - 2, MORE - 1]


def measured(module: Any) -> pd.DataFrame:
    with cortexscope.attach(module, label="same") as probe:
        module(input_ids=IDS, attention_mask=torch.ones_like(IDS))
    return probe.frame()


def test_trained_tokens_give_what_peft_gives(llama: Path, tmp_path: Path) -> None:
    new: dict[str, Any] = {
        "target_modules": ["q_proj"],
        "trainable_token_indices": [MORE - 2, MORE - 1],
    }
    adapter = tuned(llama, tmp_path / "tuned", **new)
    found = load_model(f"{llama}+{adapter}").module(IDS).logits
    assert torch.equal(found, by_hand(llama, adapter)(IDS).logits)


def test_base_is_cut_where_the_adapter_has_fewer_tokens(llama: Path, tmp_path: Path) -> None:
    adapter = tuned(llama, tmp_path / "tuned", rows=len(WORDS) - 2, target_modules=["q_proj"])
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (adapter / name).unlink()
    with pytest.raises(ModelFileError, match="do not belong together"):
        open_model(f"{llama}+{adapter}")
    small = tiny_tokenizer()
    content = small.backend_tokenizer.to_str()
    from tokenizers import Tokenizer

    small = type(small)(
        tokenizer_object=Tokenizer.from_str(content.replace('"n":10,"on":11', '"n":9')),
        unk_token="[UNK]",
        pad_token="[PAD]",
    )
    small.save_pretrained(adapter)
    model = load_model(f"{llama}+{adapter}")
    hand = by_hand(llama, adapter, rows=len(WORDS) - 2)
    assert torch.equal(model.module(IDS % 10).logits, hand(IDS % 10).logits)
    assert model.info.vocabulary == len(WORDS) - 2


@pytest.mark.slow
def test_run_reads_the_new_tokens(llama: Path, tmp_path: Path) -> None:
    adapter = tuned(
        llama, tmp_path / "tuned", target_modules=["q_proj"], modules_to_save=ENDS["llama"]
    )
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one six two seven\n")
    found = cortexscope.profile(f"{llama}+{adapter}", suite, metrics=["residual_norm"])
    states = by_hand(llama, adapter)(
        torch.tensor([[4, MORE - 2, 5, MORE - 1]]), output_hidden_states=True
    ).hidden_states
    frame = found.frame()
    first = frame[frame["layer"] == 0]["value"].item()
    assert first == pytest.approx(states[0].double().norm(dim=-1).mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("dropped", "says"),
    [
        ("embed_tokens", "no embedding of the new ones"),
        ("lm_head", "no output weights of the new ones"),
    ],
)
def test_new_tokens_without_weights_are_refused(
    make_folder: FolderMaker, tmp_path: Path, dropped: str, says: str
) -> None:
    base = make_folder(LlamaForCausalLM(tiny_config(tie_word_embeddings=False)))
    adapter = tuned(base, tmp_path / "tuned", target_modules=["q_proj"])
    path = adapter / "adapter_model.safetensors"
    state = {name: value for name, value in load_file(path).items() if dropped not in name}
    save_file(state, path)
    with pytest.raises(ModelFileError, match=says):
        open_model(f"{base}+{adapter}")


def test_output_that_follows_the_bases_embedding_is_not_filled_by_a_copy(
    llama: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}
    adapter = tuned(llama, tmp_path / "tuned", **settings)
    path = adapter / "adapter_model.safetensors"
    kept = ("q_proj", "embed_tokens.weight")
    state = {name: value for name, value in load_file(path).items() if any(k in name for k in kept)}
    save_file(state, path)
    with pytest.raises(ModelFileError, match="no output weights of the new ones"):
        open_model(f"{llama}+{adapter}")


@pytest.mark.parametrize("quantize", ["bnb-8bit", "bnb-4bit"])
def test_quantised_base_is_resized_too(
    make_folder: FolderMaker, tmp_path: Path, quantize: str
) -> None:
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    base = make_folder(LlamaForCausalLM(tiny_config(hidden_size=64, intermediate_size=128)))
    adapter = tuned(
        base, tmp_path / "tuned", target_modules=["q_proj"], modules_to_save=ENDS["llama"]
    )
    with torch.inference_mode():
        exact = load_model(f"{base}+{adapter}").module(IDS).logits
        found = load_model(f"{base}+{adapter}", LoadOptions(quantize=quantize)).module(IDS).logits
    assert found.shape[-1] == MORE
    assert (found - exact).norm() < 0.3 * exact.norm()


def test_folder_without_tokenizer_keeps_its_base_words(llama: Path, tmp_path: Path) -> None:
    adapter = tuned(llama, tmp_path / "tuned", rows=len(WORDS), target_modules=["q_proj"])
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (adapter / name).unlink()
    info = open_model(f"{llama}+{adapter}").info
    assert info.vocabulary == len(WORDS)
    assert info.tokenizer is not None
    assert info.tokenizer.source == "model"
