"""What is said of a model before it is loaded, over families that differ in how they say it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from cortexscope.errors import UnsupportedModelError
from cortexscope.models._describe import count_parameters, outline, sizes_of, stack_kind_of

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 16,
}
TWO_STACKS: dict[str, Any] = {
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
}
T5: dict[str, Any] = {
    "vocab_size": 50,
    "d_model": 16,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "d_kv": 4,
    "d_ff": 16,
}
N: dict[str, Any] = {"vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 4}
BLOOM: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "n_layer": 2, "n_head": 4}
FALCON: dict[str, Any] = {**SMALL, "max_position_embeddings": 64}


def build(architecture: str, **sizes: Any) -> PreTrainedModel:
    known: type[PreTrainedModel] = getattr(transformers, architecture)
    config: PreTrainedConfig = known.config_class(**sizes)
    return outline(known, config, dtype=torch.float32, attention=None)


@pytest.mark.parametrize(
    ("architecture", "sizes", "kind"),
    [
        ("BertModel", SMALL, "encoder"),
        ("BertForMaskedLM", SMALL, "encoder"),
        ("BertLMHeadModel", SMALL, "encoder"),
        ("BertLMHeadModel", {**SMALL, "is_decoder": True}, "decoder"),
        ("RobertaModel", SMALL, "encoder"),
        ("DistilBertModel", {"vocab_size": 50, "dim": 16, "n_layers": 2, "n_heads": 4}, "encoder"),
        ("GPT2Model", N, "decoder"),
        ("GPT2LMHeadModel", N, "decoder"),
        ("OpenAIGPTModel", N, "decoder"),
        ("LlamaModel", SMALL, "decoder"),
        ("Qwen2ForSequenceClassification", SMALL, "decoder"),
        ("BloomModel", BLOOM, "decoder"),
        ("Gemma3TextModel", {**SMALL, "use_bidirectional_attention": True}, "encoder"),
        ("Gemma3TextModel", SMALL, "decoder"),
        (
            "XLNetLMHeadModel",
            {"vocab_size": 50, "d_model": 16, "n_layer": 2, "n_head": 4, "d_inner": 16},
            "encoder",
        ),
        ("BartModel", TWO_STACKS, "encoder-decoder"),
        ("BartForCausalLM", TWO_STACKS, "decoder"),
        ("T5ForConditionalGeneration", T5, "encoder-decoder"),
        ("T5EncoderModel", T5, "encoder"),
    ],
)
def test_kind_of_stack(architecture: str, sizes: dict[str, Any], kind: str) -> None:
    assert stack_kind_of(build(architecture, **sizes)) == kind


@pytest.mark.parametrize(
    ("architecture", "sizes", "context"),
    [
        ("BertModel", SMALL, 512),
        ("RobertaModel", {**SMALL, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("MPNetModel", {**SMALL, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("GPT2Model", {**N, "n_positions": 77}, 77),
        ("OPTModel", {**SMALL, "word_embed_proj_dim": 16, "ffn_dim": 16,
                      "max_position_embeddings": 88}, 88),
        ("BloomModel", BLOOM, None),
        ("T5EncoderModel", T5, None),
        ("FalconModel", {**FALCON, "alibi": True}, None),
        ("FalconModel", {**FALCON, "alibi": False}, 64),
        ("MptModel", {"vocab_size": 50, "d_model": 16, "n_layers": 2, "n_heads": 4,
                      "max_seq_len": 99}, 99),
    ],
)  # fmt: skip
def test_context_is_what_the_model_can_take(
    architecture: str, sizes: dict[str, Any], context: int | None
) -> None:
    assert sizes_of(build(architecture, **sizes).config, vocabulary=1).context == context


@pytest.mark.parametrize(
    ("architecture", "sizes", "heads"),
    [
        ("LlamaModel", {**SMALL, "num_key_value_heads": 2}, (4, 2)),
        ("GPT2Model", N, (4, 4)),
        ("GPTBigCodeModel", {**N, "multi_query": True}, (4, 1)),
        ("GPTBigCodeModel", {**N, "multi_query": False}, (4, 4)),
        ("FalconModel", {**FALCON, "multi_query": True}, (4, 1)),
        ("FalconModel", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}, (4, 2)),
        ("MambaModel", {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2}, (0, 0)),
    ],
)
def test_heads_share_keys_as_the_model_does(
    architecture: str, sizes: dict[str, Any], heads: tuple[int, int]
) -> None:
    found = sizes_of(build(architecture, **sizes).config, vocabulary=1)
    assert (found.heads, found.kv_heads) == heads


def test_layers_of_both_stacks_are_counted() -> None:
    assert sizes_of(build("BartModel", **TWO_STACKS).config, vocabulary=1).layers == 5
    assert sizes_of(build("T5ForConditionalGeneration", **T5).config, vocabulary=1).layers == 5


def test_sizes_of_a_text_model_inside_another_are_found() -> None:
    config = transformers.Gemma3Config(text_config={**SMALL, "num_key_value_heads": 2})
    found = sizes_of(config, vocabulary=1)
    assert (found.layers, found.hidden_size, found.vocabulary) == (2, 16, 50)


def test_configuration_without_layers_is_unsupported() -> None:
    with pytest.raises(UnsupportedModelError, match="number of layers"):
        sizes_of(PreTrainedConfig(), vocabulary=1)


@pytest.mark.parametrize(
    ("architecture", "config", "millions"),
    [
        ("BertForMaskedLM", transformers.BertConfig(), 109.5),
        ("GPT2LMHeadModel", transformers.GPT2Config(), 124.4),
        (
            "GPTNeoXForCausalLM",
            transformers.GPTNeoXConfig(
                vocab_size=50688, hidden_size=4096, num_hidden_layers=16, num_attention_heads=32,
                intermediate_size=16384,
            ),
            3637.3,
        ),
    ],
)  # fmt: skip
def test_published_sizes_are_counted_without_memory(
    architecture: str, config: PreTrainedConfig, millions: float
) -> None:
    built = outline(
        getattr(transformers, architecture), config, dtype=torch.float32, attention=None
    )
    assert {p.device.type for p in built.parameters()} == {"meta"}
    assert round(count_parameters(built) / 1e6, 1) == millions
