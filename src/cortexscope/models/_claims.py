"""Hold what a configuration claims against what models are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cortexscope.errors import ModelFileError

__all__ = ["check_claims"]

_SIZES = (
    *("hidden_size", "n_embd", "d_model", "intermediate_size", "d_ff", "vocab_size"),
    *("num_attention_heads", "n_head", "num_heads", "head_dim", "max_position_embeddings"),
    *("num_hidden_layers", "n_layer", "num_layers"),
)
# Above, numbers of positions are none that can be counted to. Of the others transformers loops
# over some, or makes an entry for each, before any weight is looked at.
_MOST = {
    **dict.fromkeys((*_SIZES, "n_positions", "n_ctx", "max_seq_len", "seq_length"), 2**31),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 1_000),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 1_000),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 10_000),
    "num_labels": 100_000,
}


def check_claims(path: Path, raw: dict[str, Any]) -> None:
    """Refuse a `config.json` whose numbers are none of a model, in the parts of a model too.

    Args:
        path: of the file, for messages.
        raw: its content.

    Raises:
        ModelFileError: if a size is not a whole number above 0, or something is built or looped
            over without end; the message names the key.
    """
    names = raw.get("architectures")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ModelFileError(f"{path} has architectures that are no list of names; correct it.")
    for part in _parts(raw):
        for key, most in _MOST.items():
            value = part.get(key)
            if isinstance(value, int | float) and value > most:
                raise ModelFileError(
                    f"{path} claims more than {most:,} as {key}, which no model has; correct it."
                )
        for key in _SIZES:
            value = part.get(key)
            whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
            if not (whole or value is None or isinstance(value, list | dict)):
                raise ModelFileError(
                    f"{path} has {value!r:.40} as {key}, which must be a whole number above 0; "
                    "correct it."
                )


def _parts(raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield raw
    yield from (value for value in raw.values() if isinstance(value, dict))
