"""What a configuration claims is refused before anything is built of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPTNeoConfig, GPTNeoForCausalLM

from cortexscope.errors import ModelFileError, ModelNotFoundError
from cortexscope.models import open_model
from cortexscope.models._describe import outline
from cortexscope.models._outline_claims import check_outline


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("num_labels", 10**9),
        ("num_experts", 10**9),
        ("max_position_embeddings", 2**62),
        ("hidden_size", 10**400),
        ("architectures", [[]]),
        ("hidden_size", 0),
        ("intermediate_size", -1),
        ("vocab_size", 1.5),
        ("num_attention_heads", "four"),
        ("num_hidden_layers", True),
        ("text_config", {"hidden_size": 0}),
        ("architectures", "LlamaForCausalLM"),
    ],
)
def test_a_wild_claim_is_refused_by_its_key(llama: Path, key: str, value: Any) -> None:
    path = llama / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(
        ModelFileError, match=rf"config\.json .*{key.replace('text_', '')}|hidden_s"
    ):
        open_model(str(llama))


def changed(folder: Path, **values: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return str(folder)


@pytest.mark.parametrize(
    "claim",
    [{"hidden_size": 10**6}, {"vocab_size": 10**9}, {"head_dim": 8 * 10**6}],
    ids=str,
)
def test_a_model_that_its_files_cannot_hold_is_refused_before_it_is_built(
    llama: Path, claim: dict[str, int]
) -> None:
    said = r"config.json describes a model of [\d,]+ parameters, which the [\d,]+ bytes"
    with pytest.raises(ModelFileError, match=said):
        open_model(changed(llama, **claim))


def test_a_table_of_any_size_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    config = GPTNeoConfig(
        hidden_size=8, num_layers=1, num_heads=1, vocab_size=12, attention_types=[[["global"], 1]]
    )
    with torch.device("meta"):
        built = GPTNeoForCausalLM(config)
        mask = built.transformer.h[0].attn.attention
        mask.register_buffer("bias", torch.empty(10**5, 10**5))
    check_outline(built.lm_head, tmp_path, held=10**6)
    with pytest.raises(ModelFileError, match=r"37 GB of tables .*attn.attention.bias among them"):
        check_outline(built, tmp_path, held=10**9)


def test_a_model_of_which_a_part_has_no_size_is_refused() -> None:
    config = GPTNeoConfig(
        hidden_size=8, num_layers=1, num_heads=1, vocab_size=0, attention_types=[[["global"], 1]]
    )
    with pytest.raises(ModelFileError, match=r"leaves transformer\.wte\.weight without a size"):
        outline(GPTNeoForCausalLM, config, dtype=torch.float32, attention=None)


@pytest.mark.parametrize("longest", [[1, "x"], "many", -1, 0, True])
def test_a_longest_input_of_no_length_is_refused(llama: Path, longest: Any) -> None:
    path = llama / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": longest}))
    with pytest.raises(ModelFileError, match=r"tokenizer_config.json has .* as model_max_length"):
        open_model(str(llama))


def test_weights_that_are_a_pipe_are_not_waited_for(llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    os.mkfifo(llama / "model.safetensors")
    with pytest.raises(ModelNotFoundError, match="no weights"):
        open_model(str(llama))
