"""What is known of a model before its weights are read: its class, its parts and its limits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from cortexscope.errors import ModelError, ModelFileError, UnsupportedModelError, UsageError
from cortexscope.models._config import is_foreign, reason
from cortexscope.models._quiet import quiet
from cortexscope.models._settings import setting
from cortexscope.records import StackKind

__all__ = [
    "Sizes",
    "count_parameters",
    "decoder_start_of",
    "limited",
    "model_class",
    "outline",
    "sizes_of",
    "stack_kind_of",
]

# Their first position is the one after the padding token's, so that many fewer are free.
_OFFSET_POSITIONS = {
    "camembert",
    "data2vec-text",
    "ibert",
    "lilt",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
# Offered for causal modelling too, though they look both ways unless told otherwise.
_BOTH_WAYS = {"bert-generation", "xlnet"}
_FOREIGN_KEYS = (
    "AutoModelForCausalLM",
    "AutoModelForMaskedLM",
    "AutoModelForSeq2SeqLM",
    "AutoModel",
)


class Sizes(NamedTuple):
    """The shape of a model, as its configuration gives it."""

    layers: int
    heads: int
    kv_heads: int
    hidden_size: int
    vocabulary: int
    context: int | None


def model_class(folder: Path, config: PreTrainedConfig) -> type[PreTrainedModel]:
    """Return the class that the checkpoint was saved from, or else its family's usual one.

    Raises:
        ModelError: if the configuration contradicts itself.
        UnsupportedModelError: if no class fits.
    """
    if is_foreign(config):
        return _foreign_class(folder, config)
    for name in config.architectures or []:
        known = getattr(transformers, name, None)
        if isinstance(known, type) and issubclass(known, PreTrainedModel):
            if not isinstance(config, getattr(known, "config_class", None) or PreTrainedConfig):
                raise ModelFileError(
                    f"{folder / 'config.json'} names the architecture {name} but the model_type "
                    f"{config.model_type!r}, which do not belong together; correct it."
                )
            return known
    from transformers.models.auto import modeling_auto as auto

    for mapping in (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING if config.is_encoder_decoder else None,
        None if _usually_looks_both_ways(config) else auto.MODEL_FOR_CAUSAL_LM_MAPPING,
        auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        auto.MODEL_MAPPING,
    ):
        if mapping is not None and type(config) in mapping:
            found = mapping[type(config)]
            first: type[PreTrainedModel] = found[0] if isinstance(found, tuple) else found
            return first
    raise UnsupportedModelError(
        f"{folder / 'config.json'} describes a {config.model_type!r}, for which transformers "
        f"{transformers.__version__} has no model; choose another one."
    )


def _foreign_class(folder: Path, config: PreTrainedConfig) -> type[PreTrainedModel]:
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    table = getattr(config, "auto_map", None) or {}
    name = next((table[key] for key in _FOREIGN_KEYS if key in table), None)
    if name is None:
        raise UnsupportedModelError(
            f"{folder / 'config.json'} names no language model in its auto_map; choose another one."
        )
    try:
        with quiet():
            found = get_class_from_dynamic_module(name, str(folder), local_files_only=True)
    except Exception as error:
        raise ModelError(f"The code in {folder} does not run: {reason(error)}.") from error
    if not (isinstance(found, type) and issubclass(found, PreTrainedModel)):
        raise UnsupportedModelError(
            f"The code in {folder} defines {name}, which is no model of transformers; choose "
            "another one."
        )
    return found


def outline(
    known: type[PreTrainedModel],
    config: PreTrainedConfig,
    *,
    dtype: torch.dtype,
    attention: str | None,
) -> PreTrainedModel:
    """Return the model with its structure and no memory for its weights.

    Raises:
        UsageError: if the attention implementation cannot be used with it.
        ModelError: if the configuration describes no model that can be built.
    """
    options = {} if attention is None else {"attn_implementation": attention}
    try:
        with quiet(), torch.device("meta"):
            built = known._from_config(copy.deepcopy(config), dtype=dtype, **options)
    except Exception as error:
        if attention is not None and ("att" in str(error) or isinstance(error, ImportError)):
            raise UsageError(
                f"{known.__name__} cannot run with attention {attention!r}: {reason(error)}."
            ) from error
        raise ModelFileError(
            f"{known.__name__} cannot be built from its config.json: {reason(error)}."
        ) from error
    empty = next((name for name, weight in built.named_parameters() if not weight.numel()), None)
    if empty is not None:
        raise ModelFileError(
            f"{known.__name__} cannot be built from its config.json, which leaves {empty} without "
            "a size; correct it."
        )
    return built


def count_parameters(module: torch.nn.Module) -> int:
    """Return the number of parameters, tied ones counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _usually_looks_both_ways(config: PreTrainedConfig) -> bool:
    from transformers.models.auto import modeling_auto as auto

    kind = config.model_type
    masked = kind in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES or kind in _BOTH_WAYS
    return masked and not getattr(config, "is_decoder", False)


def stack_kind_of(module: PreTrainedModel) -> StackKind:
    """Return which ways the attention of a built model looks.

    The module's own configuration decides and not the checkpoint's: a class that takes one stack
    of a two-stack checkpoint, such as `T5EncoderModel`, says so there.
    """
    from transformers.models.auto import modeling_auto as auto

    config = module.config
    if config.is_encoder_decoder:
        return "encoder-decoder"
    text = config.get_text_config()
    if getattr(config, "is_decoder", False):
        return "decoder"
    both_ways = getattr(text, "use_bidirectional_attention", False) in (True, "all")
    if both_ways or getattr(text, "is_causal", True) is False or _usually_looks_both_ways(config):
        return "encoder"
    generating = (
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )
    causal = {config.model_type, text.model_type} & {kind for row in generating for kind in row}
    named = type(module).__name__.endswith(("ForCausalLM", "LMHeadModel"))
    return "decoder" if causal or named or module.can_generate() else "encoder"


def decoder_start_of(config: PreTrainedConfig) -> int | None:
    """Return the token that the decoder of an encoder-decoder starts with; None for other models.

    Raises:
        ModelFileError: if the configuration of an encoder-decoder names none.
    """
    if not config.is_encoder_decoder:
        return None
    for holder in (config, config.get_text_config()):
        for name in ("decoder_start_token_id", "bos_token_id"):
            token = getattr(holder, name, None)
            if isinstance(token, int):
                return token
    raise ModelFileError(
        f"The configuration of this {config.model_type!r} names no decoder_start_token_id, without "
        "which its decoder cannot run; add it to config.json."
    )


def sizes_of(config: PreTrainedConfig, *, vocabulary: int) -> Sizes:
    """Return the sizes in a configuration; `vocabulary` is used where it names none.

    Raises:
        UnsupportedModelError: if it names no number of layers or no width.
    """
    text = config.get_text_config()
    layers = _integer(text, "num_hidden_layers", "n_layer", "num_layers")
    if text.is_encoder_decoder and layers is not None:
        decoder = _integer(text, "decoder_layers", "num_decoder_layers")
        layers += layers if decoder is None else decoder
    hidden = _integer(text, "hidden_size", "d_model", "n_embd")
    if layers is None or hidden is None:
        missing = "layers" if layers is None else "hidden features"
        raise UnsupportedModelError(
            f"The configuration of this {config.model_type!r} names no number of {missing}, so "
            "nothing measured in it would have a place; choose another model."
        )
    heads = _integer(text, "num_attention_heads", "n_head", "num_heads") or 0
    return Sizes(
        layers=layers,
        heads=heads,
        kv_heads=_kv_heads(text, heads),
        hidden_size=hidden,
        vocabulary=_integer(text, "vocab_size") or vocabulary,
        context=_context(text),
    )


def limited(sizes: Sizes, longest: int | None) -> Sizes:
    """Return sizes with a context of at most so many tokens; None is no limit."""
    if longest is None or (sizes.context is not None and sizes.context <= longest):
        return sizes
    return sizes._replace(context=longest)


def _integer(config: PreTrainedConfig, *names: str) -> int | None:
    for name in names:
        value = setting(config, name)
        if isinstance(value, int):
            return value
        # Some models vary it by layer.
        if isinstance(value, list | tuple):
            numbers = [number for number in value if isinstance(number, int)]
            if numbers:
                return max(numbers)
    return None


def _kv_heads(text: PreTrainedConfig, heads: int) -> int:
    if getattr(text, "multi_query", False) and not getattr(text, "new_decoder_architecture", False):
        return 1
    inner = getattr(text, "attn_config", None)
    if inner is not None:
        return _integer(inner, "kv_n_heads") or heads
    return _integer(text, "num_key_value_heads", "num_kv_heads") or heads


def _context(text: PreTrainedConfig) -> int | None:
    inner = getattr(text, "attn_config", None)
    if getattr(inner, "alibi", False):
        # MPT builds its table of biases once, for this length.
        return _integer(text, "max_seq_len")
    if getattr(text, "alibi", False):
        return None
    longest = _integer(text, "max_position_embeddings", "max_seq_len")
    if longest is None or longest <= 0:
        return None
    if text.model_type in _OFFSET_POSITIONS:
        padding = _integer(text, "pad_token_id")
        return longest - (1 if padding is None else padding) - 1
    return int(longest * _stretch(text))


def _stretch(text: PreTrainedConfig) -> float:
    """Return how many times as far dynamic NTK reaches as the positions of the configuration."""
    rope = getattr(text, "rope_parameters", None) or {}
    kinds = [rope, *(kind for kind in rope.values() if isinstance(kind, dict))]
    dynamic = [kind for kind in kinds if "dynamic" in str(kind.get("rope_type"))]
    return min((float(kind.get("factor") or 1) for kind in dynamic), default=1.0)
