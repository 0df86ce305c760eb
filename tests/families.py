"""Tiny models with random weights, one a family, built from their configurations."""

from __future__ import annotations

import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BertConfig,
    BloomConfig,
    CodeGenConfig,
    CTRLConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PhiConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

__all__ = ["FAMILIES", "VOCABULARY", "is_causal", "tiny_model"]

VOCABULARY = 211

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_WIDE = {"intermediate_size": 96, "max_position_embeddings": 256}

FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**_SIZES, **_WIDE),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=48,
        n_layer=3,
        n_head=4,
        n_positions=256,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "qwen2": Qwen2Config(**_SIZES, **_WIDE, num_key_value_heads=2),
    "phi": PhiConfig(**_SIZES, **_WIDE),
    "bloom": BloomConfig(
        vocab_size=VOCABULARY, hidden_size=48, n_layer=3, n_head=4, bos_token_id=1, eos_token_id=2
    ),
    "gpt_neox": GPTNeoXConfig(**_SIZES, **_WIDE),
    "llama": LlamaConfig(**_SIZES, **_WIDE, num_key_value_heads=1),
    "opt": OPTConfig(**_SIZES, max_position_embeddings=256, ffn_dim=96, word_embed_proj_dim=48),
    # Hides keys by the lowest number before it divides the scores.
    "codegen": CodeGenConfig(
        vocab_size=VOCABULARY, n_embd=48, n_layer=3, n_head=4, rotary_dim=8, n_positions=256
    ),
    # Hides keys by -10,000.
    "ctrl": CTRLConfig(
        vocab_size=VOCABULARY, n_embd=48, dff=96, n_layer=3, n_head=4, n_positions=256
    ),
}


def is_causal(family: str) -> bool:
    return family != "bert"


def tiny_model(family: str, *, seed: int = 0, sharpness: float = 6.0) -> PreTrainedModel:
    """Build a model whose attention is far from even, as a trained model's is."""
    torch.manual_seed(seed)
    config = FAMILIES[family]
    auto = AutoModelForCausalLM if is_causal(family) else AutoModel
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(sharpness)
            elif name.endswith("bias"):
                weight.normal_(std=0.3)
    assert isinstance(model, PreTrainedModel)
    return model
