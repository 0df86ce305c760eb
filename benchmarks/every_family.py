"""Check a tiny model of every language model family that transformers knows.

Each configuration is shrunk by setting the names that sizes usually have; the model gets random
weights and goes through `cortexscope.selfcheck`. One line a family: how many checks hold, which
fail, or why it is refused, was not built from shrunk settings, or does not run. About 4 minutes.
"""

from __future__ import annotations

import argparse
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
)
from transformers.models.auto import modeling_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

import cortexscope
from cortexscope.errors import CortexscopeError

LARGEST = 30_000_000
SECONDS = 120
SIZES: dict[int, str] = {
    1: "n_group topk_group mamba_n_groups n_groups first_k_dense_replace bos_token_id",
    2: "num_key_value_heads num_kv_heads num_experts_per_tok decoder_layers eos_token_id "
    "num_decoder_layers linear_num_key_heads",
    3: "num_hidden_layers n_layer n_layers num_layers encoder_layers num_channels",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads num_local_experts "
    "decoder_attention_heads num_experts n_routed_experts linear_num_value_heads mamba_n_heads",
    8: "sliding_window attention_window local_attention rotary_dim state_size mamba_d_state "
    "qk_rope_head_dim qk_nope_head_dim mamba_dt_rank patch_size hidden_size_per_layer_input",
    12: "head_dim d_kv v_head_dim linear_key_head_dim linear_value_head_dim",
    16: "kv_lora_rank",
    24: "q_lora_rank mamba_d_head",
    32: "moe_intermediate_size shared_expert_intermediate_size image_size",
    48: "hidden_size d_model n_embd dim embedding_size embed_dim word_embed_proj_dim lru_width "
    "attention_hidden_size mamba_d_ssm decoder_embed_dim",
    96: "intermediate_size d_ff ffn_dim encoder_ffn_dim decoder_ffn_dim n_inner hidden_dim dff",
    211: "vocab_size vocab_size_per_layer_input",
    256: "max_position_embeddings n_positions max_seq_len max_seq_length",
    0: "pad_token_id decoder_start_token_id",
}
SMALL = {name: size for size, names in SIZES.items() for name in names.split()}
PER_LAYER = ("layer_types", "attention_layers", "mlp_layer_types", "layers_block_type")


def families() -> Iterator[tuple[str, Any]]:
    """Yield each family once, with the class that builds its language model."""
    done: set[str] = set()
    for names, kind in (
        (auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, AutoModelForCausalLM),
        (auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, AutoModelForMaskedLM),
        (auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, AutoModelForSeq2SeqLM),
    ):
        for name in names:
            if name not in done:
                done.add(name)
                yield name, kind


def shrunk(config: PreTrainedConfig) -> PreTrainedConfig:
    """Set the sizes of a configuration, and of those inside of it."""
    for name, size in SMALL.items():
        if hasattr(config, name) and not isinstance(getattr(type(config), name, None), property):
            setattr(config, name, size)
    if getattr(config, "kv_lora_rank", None) and hasattr(config, "num_key_value_heads"):
        # Latent attention has as many key heads as heads.
        config.num_key_value_heads = SMALL["num_attention_heads"]
    if hasattr(config, "use_cache"):
        config.use_cache = False
    for name in PER_LAYER:
        kinds = getattr(config, name, None)
        if isinstance(kinds, list) and len(kinds) > 3:
            setattr(config, name, (list(dict.fromkeys(kinds)) * 3)[:3])
    for part in list(vars(config).values()):
        if isinstance(part, PreTrainedConfig):
            shrunk(part)
    return config


def build(name: str, kind: Any) -> Any:
    """Return a tiny model, or raise whatever transformers raises."""
    known = CONFIG_MAPPING[name]
    try:
        config = shrunk(known(**{key: SMALL[key] for key in known().to_dict() if key in SMALL}))
    except Exception:
        config = shrunk(known())
    with torch.device("meta"):
        size = sum(p.numel() for p in kind.from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"{size / 1e6:.0f}M parameters")
    torch.manual_seed(0)
    return kind.from_config(config).eval()


def verdict(name: str, kind: Any) -> tuple[str, str]:
    """Return what became of a family, in a word and in more."""
    try:
        model = build(name, kind)
        ids = torch.randint(3, 200, (1, 9))
        pair = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
        with torch.no_grad():
            model(input_ids=ids, attention_mask=torch.ones_like(ids), **pair)
    except Exception as error:
        return "not built", f"{type(error).__name__}: {str(error).splitlines()[0][:90]}"
    try:
        findings = cortexscope.selfcheck(model)
    except CortexscopeError as error:
        return "refused", str(error)
    except Exception as error:
        return "CRASHED", f"{type(error).__name__}: {error}"
    failed = [found for found in findings if found.passed is False]
    if failed:
        return "fails", "; ".join(f"{found.check}: {found.sentence}" for found in failed)
    return "holds", f"{sum(found.passed is True for found in findings)} checks"


def main() -> None:
    """Check the families that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*")
    wanted = parser.parse_args().families
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(1)

    def too_slow(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, too_slow)
    counts: Counter[str] = Counter()
    for name, kind in families():
        if wanted and name not in wanted:
            continue
        signal.alarm(SECONDS)
        word, more = verdict(name, kind)
        signal.alarm(0)
        counts[word] += 1
        print(f"{name:28} {word:10} {more}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.most_common()))


if __name__ == "__main__":
    main()
