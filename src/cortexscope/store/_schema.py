"""The columns of a run folder; other programs rely on them."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["MEASUREMENTS", "MODELS", "PROMPTS", "SCHEMA_VERSION"]

SCHEMA_VERSION = 2
"""Raised with every column that is added; a run of an older schema has nulls there."""

MEASUREMENTS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("task", pa.string()),
        pa.field("prompt_id", pa.string()),
        pa.field("n_tokens", pa.int32()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("stack", pa.string(), nullable=False),
        pa.field("layer", pa.int16()),
        pa.field("head", pa.int16()),
        pa.field("index", pa.int32()),
        pa.field("value", pa.float64()),
        pa.field("reason", pa.string()),
    ]
)
"""One value a row; a null value always has a reason. A value over a whole task has no prompt_id."""

PROMPTS = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("target", pa.string()),
    ]
)
"""One prompt a row; `target` (since schema 2) is what the decoder of an encoder-decoder reads."""

MODELS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("revision", pa.string()),
        pa.field("family", pa.string(), nullable=False),
        pa.field("stack_kind", pa.string(), nullable=False),
        pa.field("parameters", pa.int64(), nullable=False),
        pa.field("layers", pa.int32(), nullable=False),
        pa.field("heads", pa.int32(), nullable=False),
        pa.field("kv_heads", pa.int32(), nullable=False),
        pa.field("hidden_size", pa.int32(), nullable=False),
        pa.field("vocabulary", pa.int32(), nullable=False),
        pa.field("context", pa.int32()),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("quantization", pa.string()),
    ]
)
