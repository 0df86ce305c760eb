"""Tiny models with random weights, one a family, built from their configurations."""

from __future__ import annotations

from typing import Any

import torch
from family import Experts, Family
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
)

__all__ = ["FAMILIES", "STUDY", "VOCABULARY", "is_causal", "tiny_model"]

VOCABULARY = 211


_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_NO_ATTENTION = (0, 0, 0)
_GROUPED = {"num_key_value_heads": 2}
_LINEAR = {
    **_GROUPED,
    "head_dim": 16,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}
_MIXER = {**_GROUPED, "mamba_n_heads": 4, "mamba_d_state": 8}
_FOUR = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_SHARED = {**_FOUR, "shared_expert_intermediate_size": 32}
_PAIR = {
    "d_model": 48,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 96,
    "decoder_ffn_dim": 96,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": 2,
}
_ABSOLUTE = "its positions count from the first column"


def _encoder(blocks: str = "encoder.layer", /, **facts: Any) -> Family:
    return _family("encoder", blocks, facts)


def _decoder(blocks: str = "layers", /, **facts: Any) -> Family:
    return _family("decoder", blocks, facts)


def _pair(blocks: str = "layers", /, **facts: Any) -> Family:
    return _family("encoder-decoder", blocks, {"told_positions": False, **facts})


def _family(kind: Any, blocks: str, facts: dict[str, Any]) -> Family:
    known = {name: facts.pop(name) for name in Family.__dataclass_fields__ if name in facts}
    return Family(kind, blocks, settings=facts, **known)


FAMILIES: dict[str, Family] = {
    "bert": _encoder(),
    "roberta": _encoder(told_positions=False),
    "distilbert": _encoder("transformer.layer", hidden_dim=96),
    "albert": _encoder("encoder.albert_layer_groups", embedding_size=32),
    "electra": _encoder(embedding_size=32),
    "xlm-roberta": _encoder(told_positions=False),
    "mpnet": _encoder(pad_token_id=1, bos_token_id=0, told_positions=False),
    "deberta": _encoder(relative_attention=True, pos_att_type=["c2p", "p2c"]),
    "deberta-v2": _encoder(
        relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=16
    ),
    "modernbert": _encoder(
        "layers",
        local_attention=8,
        global_attn_every_n_layers=2,
        cls_token_id=1,
        sep_token_id=2,
        reach=(None, 5, None),
    ),
    "longformer": _encoder(attention_window=8, reach=(5, 5, 5), banded=True, told_positions=False),
    "xlnet": _encoder(
        "layer", d_inner=96, d_head=12, max_position_embeddings=None, told_positions=False
    ),
    "gpt2": _decoder("h"),
    "gpt_neo": _decoder(
        "h",
        attention_types=[[["global", "local", "global"], 1]],
        window_size=8,
        reach=(None, 8, None),
    ),
    "gptj": _decoder("h", rotary_dim=8),
    "gpt_neox": _decoder(),
    # Hides keys by the lowest number before it divides the scores.
    "codegen": _decoder("h", rotary_dim=8),
    "opt": _decoder("decoder.layers", ffn_dim=96, word_embed_proj_dim=48, told_positions=False),
    "bloom": _decoder("h", told_positions=False),
    "mpt": _decoder("blocks", max_seq_len=256, told_positions=False),
    "falcon": _decoder("h"),
    "llama": _decoder(num_key_value_heads=1),
    "mistral": _decoder(**_GROUPED, sliding_window=8, reach=(8, 8, 8)),
    "qwen2": _decoder(**_GROUPED),
    "qwen3": _decoder(**_GROUPED, head_dim=16),
    "phi": _decoder(partial_rotary_factor=0.5),
    "phi3": _decoder(**_GROUPED),
    "stablelm": _decoder(**_GROUPED, partial_rotary_factor=0.5),
    "gemma": _decoder(num_key_value_heads=1, head_dim=16),
    "gemma2": _decoder(**_GROUPED, head_dim=16, sliding_window=8, reach=(8, None, 8)),
    "gemma3_text": _decoder(
        **_GROUPED,
        head_dim=16,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        reach=(8, None, 8),
    ),
    # Its layers differ in the size of their heads.
    "gemma4_text": _decoder(
        **_GROUPED,
        head_dim=16,
        global_head_dim=24,
        sliding_window=8,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=VOCABULARY,
        reach=(8, 8, None),
    ),
    "olmo2": _decoder(**_GROUPED),
    "cohere2": _decoder(
        **_GROUPED,
        sliding_window=8,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        reach=(8, None, 8),
    ),
    "gpt_bigcode": _decoder("h"),
    "starcoder2": _decoder(**_GROUPED, sliding_window=8, reach=(8, 8, 8)),
    "persimmon": _decoder(partial_rotary_factor=0.5),
    # Hides keys by the lowest float32, which overflows in float64.
    "xglm": _decoder(d_model=48, num_layers=3, attention_heads=4, ffn_dim=96, double=False),
    "biogpt": _decoder(),
    # Hides keys by -10,000.
    "ctrl": _decoder("h", dff=96),
    "granite": _decoder(**_GROUPED, attention_multiplier=0.2, residual_multiplier=0.5),
    "smollm3": _decoder(**_GROUPED, no_rope_layers=[1, 0, 1]),
    "mixtral": _decoder(**_GROUPED, num_local_experts=4, experts=Experts()),
    "qwen2_moe": _decoder(**_GROUPED, **_SHARED, experts=Experts()),
    "qwen3_moe": _decoder(**_GROUPED, **_FOUR, head_dim=16, experts=Experts()),
    "olmoe": _decoder(**_GROUPED, **_FOUR, experts=Experts()),
    "gpt_oss": _decoder(
        **_GROUPED,
        head_dim=16,
        sliding_window=8,
        num_local_experts=4,
        num_experts_per_tok=2,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        reach=(8, None, 8),
        sink=True,
        experts=Experts(router="router"),
    ),
    "deepseek_v3": _decoder(
        num_key_value_heads=4,
        n_routed_experts=8,
        num_experts_per_tok=2,
        moe_intermediate_size=32,
        n_group=2,
        topk_group=1,
        first_k_dense_replace=1,
        q_lora_rank=24,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=16,
        experts=Experts(sigmoid=True, groups=2, layers=(2, 3)),
    ),
    "llama4_text": _decoder(
        "model.layers",
        **_GROUPED,
        head_dim=16,
        attention_chunk_size=8,
        layer_types=["chunked_attention", "full_attention", "chunked_attention"],
        no_rope_layers=[1, 0, 1],
        num_local_experts=4,
        num_experts_per_tok=2,
        intermediate_size_mlp=96,
        moe_layers=[1, 2],
        reach=(8, None, 8),
        chunked=True,
        experts=Experts("feed_forward", "router", sigmoid=True, layers=(2, 3)),
    ),
    "mamba": _decoder(reach=_NO_ATTENTION, embedded=False, told_positions=False, sharpness=2),
    "mamba2": _decoder(
        num_heads=4,
        head_dim=24,
        state_size=16,
        n_groups=1,
        reach=_NO_ATTENTION,
        embedded=False,
        told_positions=False,
    ),
    "rwkv": _decoder(
        "blocks",
        attention_hidden_size=48,
        reach=_NO_ATTENTION,
        embedded=False,
        told_positions=False,
        shifted="it takes padding for tokens",
        sharpness=2,
    ),
    "recurrent_gemma": _decoder(
        num_key_value_heads=1,
        lru_width=48,
        attention_window_size=8,
        block_types=["recurrent", "recurrent", "attention"],
        reach=(0, 0, 8),
        shifted="its convolutions see padding",
        sharpness=2,
    ),
    "jamba": _decoder(
        **_GROUPED,
        num_experts=4,
        attn_layer_period=2,
        attn_layer_offset=1,
        mamba_d_state=8,
        reach=(0, None, 0),
        experts=Experts("feed_forward", "router", layers=(2,)),
    ),
    "bamba": _decoder(**_MIXER, attn_layer_indices=[1], reach=(0, None, 0)),
    "falcon_h1": _decoder(**_MIXER, mamba_d_ssm=96),
    "qwen3_next": _decoder(**_LINEAR, **_SHARED, reach=(0, None, 0), experts=Experts()),
    "qwen3_5_text": _decoder(**_LINEAR, reach=(0, None, 0)),
    "t5": _pair(
        "block", d_kv=12, d_ff=96, num_decoder_layers=3, decoder_start_token_id=0, sharpness=1
    ),
    "bart": _pair(**_PAIR, shifted=_ABSOLUTE),
    "m2m_100": _pair(**_PAIR),
    "pegasus": _pair(**_PAIR, shifted=_ABSOLUTE),
    "marian": _pair(**_PAIR, shifted=_ABSOLUTE, sharpness=6),
}

STUDY = ("bert", "gpt2", "qwen2", "phi", "bloom", "gpt_neox", "llama", "opt", "codegen", "ctrl")
"""Families enough where each of many tests would be slow for all."""


def is_causal(family: str) -> bool:
    return FAMILIES[family].kind == "decoder"


_AUTO = {
    "encoder": AutoModel,
    "decoder": AutoModelForCausalLM,
    "encoder-decoder": AutoModelForSeq2SeqLM,
}


def tiny_model(
    family: str, *, seed: int = 0, sharpness: float | None = None, **settings: Any
) -> PreTrainedModel:
    """Build a model whose attention is far from even, as a trained model's is.

    Args:
        family: its name in the table.
        seed: of its weights.
        sharpness: by how much matrices are larger than at the start of training; the family's
            where None.
        settings: of the configuration, where they are not the family's.
    """
    torch.manual_seed(seed)
    row = FAMILIES[family]
    chosen = {**_SIZES, **row.settings, **settings}
    config = AutoConfig.for_model(family, **{k: v for k, v in chosen.items() if v is not None})
    model = _AUTO[row.kind].from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(row.sharpness if sharpness is None else sharpness)
            elif name.endswith(("bias", "sinks")):
                weight.normal_(std=0.3)
        for name, buffer in model.named_buffers():
            if name.endswith("correction_bias"):
                buffer.normal_(std=0.1)
    assert isinstance(model, PreTrainedModel)
    return model
