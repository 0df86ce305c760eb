"""A tiny Llama, its tokenizer, and the same weights written as a `.gguf` file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "<s>", "</s>"]
WORDS = [*SPECIAL, "one", "two", "three", "four", "five", "o", "n", "on"]

FolderMaker = Callable[..., Path]
WheelMaker = Callable[..., Path]
Members = dict[str | zipfile.ZipInfo, bytes]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="[UNK]",
        pad_token="[PAD]",
        bos_token="<s>",
        eos_token="</s>",
    )


def tiny_config(**changes: Any) -> LlamaConfig:
    sizes: dict[str, Any] = {
        "vocab_size": len(WORDS),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "tie_word_embeddings": True,
    }
    return LlamaConfig(**{**sizes, **changes})


def write_gguf(
    path: Path, model: LlamaForCausalLM, *, architecture: str = "llama", words: str | None = "gpt2"
) -> None:
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    if words is not None:
        writer.add_tokenizer_model(words)
        writer.add_token_list(WORDS)
        writer.add_token_types([3, 3, 3, 3] + [1] * (len(WORDS) - 4))
        writer.add_token_merges(["o n"])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    for name, array in gguf_tensors(model):
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_tensors(model: LlamaForCausalLM) -> Iterator[tuple[str, Any]]:
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    yield "token_embd.weight", model.model.embed_tokens.weight.detach().numpy()
    yield "output_norm.weight", model.model.norm.weight.detach().numpy()
    for number, block in enumerate(model.model.layers):
        for ours, theirs in names.items():
            weight = block.get_submodule(ours).weight.detach().numpy()
            if theirs in heads:
                # GGUF keeps the two halves of each head's rotary pairs interleaved.
                shape = (heads[theirs], 2, weight.shape[0] // heads[theirs] // 2, weight.shape[1])
                weight = weight.reshape(shape).swapaxes(1, 2).reshape(weight.shape)
            yield f"blk.{number}.{theirs}.weight", weight
