"""The columns of a run folder; other programs rely on them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_TYPES",
    "DRIFTS",
    "ENCODED",
    "ESTIMATES",
    "GENERATIONS",
    "LESIONS",
    "LESION_VALUES",
    "MEASUREMENTS",
    "MODELS",
    "OUTCOMES",
    "PAIRS",
    "PROMPTS",
    "SCHEMA_VERSION",
    "SINCE",
    "TURNS",
    "WRITTEN",
]

SCHEMA_VERSION = 8
"""Raised with every column that is added, and where a file is written in another way.

A run of an older schema has nulls in columns added since."""

TURNS = "turns"
"""The column of `PROMPTS` with a conversation; frames of prompts have what is shown of it alone."""

SINCE = frozenset(
    {
        *("step", "tokens_used", "target", "control", "origin", TURNS, "base", "change"),
        *("checkpoint_of", "training_step"),
    }
)
"""The columns that were added since schema 1, and that an older file may lack."""

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
        pa.field("step", pa.int32()),
        pa.field("tokens_used", pa.int32()),
    ]
)
"""One value a row; a null value always has a reason. A value over a whole task has no prompt_id.

`step` (since schema 3) is the number of the generated token, from 1, whose reading gave the value;
`n_tokens` then counts all tokens up to that one. It is null for values of the prompt itself.

`tokens_used` (since schema 4) is how many tokens stand behind the value: those that a mean is over,
or that the whole was computed of, query rows in an attention; over a task or over sequences, of all
of them together. Where a sample stands for a prompt it is smaller than `n_tokens`. It is null where
the value is, and where a metric does not say."""

WRITTEN: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
"""How Parquet files are written, as pyarrow's writer takes it.

Pages have checksums: who reads a changed bit is told, whatever else of a run is lost."""

ENCODED: dict[str, Any] = {
    **WRITTEN,
    "use_dictionary": [name for name in MEASUREMENTS.names if name != "value"],
    "column_encoding": {"value": "BYTE_STREAM_SPLIT"},
}
"""How Parquet files of measurements are encoded, as pyarrow's writer takes it.

Values hardly ever repeat, but their signs and exponents do, and many end in zeros: byte by byte
they take two thirds of what they take whole. All other columns are of few words and numbers."""

GENERATIONS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("task", pa.string()),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("finish", pa.string(), nullable=False),
        pa.field("token_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("tokens", pa.list_(pa.string()), nullable=False),
        pa.field("surprisal", pa.list_(pa.float64()), nullable=False),
        pa.field("entropy", pa.list_(pa.float64()), nullable=False),
    ]
)
"""What a model added to a prompt, one text a row (since schema 3).

`finish` says why it is no longer: `length`, it has as many tokens as were asked for; `end`, the
last one ends the text, and was not read; `context`, the model can read no more. The lists have one
item a token: its surprisal, and the entropy of the distribution it was chosen from, in nats."""

_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])

PROMPTS = pa.schema(
    [
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("target", pa.string()),
        pa.field("control", pa.string()),
        pa.field("origin", pa.string()),
        pa.field(TURNS, pa.list_(_TURN)),
    ]
)
"""One prompt a row; `target` (since schema 2) is what the decoder of an encoder-decoder reads,
`control` (since schema 3) how it was made of the prompt with the id in `origin`, if it was. `turns`
(since schema 6) are those of a conversation, null for a text.

Where the user's prompts have columns of their own, a further column `ATTRIBUTES` follows."""

ATTRIBUTES = "attributes"
"""The struct (since schema 5) with a field for each column of the user's own, by its name: what is
known of a prompt, null where nothing is. No prompt has any where the column is not there, for
Parquet has no struct without fields."""

ATTRIBUTE_TYPES = (pa.bool_(), pa.int64(), pa.float64(), pa.string())
"""Of the fields of that struct."""

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
        pa.field("base", pa.string()),
        pa.field("change", pa.string()),
        pa.field("checkpoint_of", pa.string()),
        pa.field("training_step", pa.int64()),
    ]
)
"""One model a row. `checkpoint_of` and `training_step` (since schema 7) say of a checkpoint which
training it is of, and how many updates of the weights were made before."""

PAIRS = pa.schema(
    [
        pa.field("base", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("noise", pa.bool_(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("kl", pa.list_(pa.float64())),
        pa.field("log_p_base", pa.list_(pa.float64())),
        pa.field("log_p", pa.list_(pa.float64())),
        pa.field("same_top", pa.list_(pa.bool_())),
        pa.field("reason", pa.string()),
        pa.field("bits_per_byte_base", pa.float64()),
        pa.field("bits_per_byte", pa.float64()),
        pa.field("bits_reason", pa.string()),
        pa.field("drift_reason", pa.string()),
    ]
)
"""What a model and the one it is compared with predict of a prompt, one a row.

The lists have one item for each token that has a next one: the Kullback-Leibler divergence of the
model's distribution from the base's, in nats; the log-probability that each gives to the next
token; whether both hold the same token for the likeliest. `noise` says that the model is the base
itself in bfloat16. The reasons say why the lists are null, why bits per byte are, and why the
prompt has no rows of `DRIFTS`."""

DRIFTS = pa.schema(
    [
        pa.field("base", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("noise", pa.bool_(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("stack", pa.string(), nullable=False),
        pa.field("layer", pa.int16(), nullable=False),
        pa.field("distance", pa.float64()),
        pa.field("distance_rest", pa.float64()),
        pa.field("cosine", pa.float64()),
        pa.field("cosine_rest", pa.float64()),
        pa.field("reason", pa.string()),
    ]
)
"""How far the states of a layer lie from the base's, one prompt and layer a row.

Means over tokens: of the length of the difference as a share of the length of the base's state, and
of the cosine of the two; `_rest` leaves each prompt's first token out."""

_PART = [
    pa.field("model", pa.string(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("stack", pa.string(), nullable=False),
    pa.field("layer", pa.int16(), nullable=False),
]

LESIONS = pa.schema(
    [
        *_PART,
        pa.field("index", pa.int32()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("kl", pa.float64()),
        pa.field("surprisal_base", pa.float64()),
        pa.field("surprisal", pa.float64()),
        pa.field("reason", pa.string()),
        pa.field("bits_per_byte_base", pa.float64()),
        pa.field("bits_per_byte", pa.float64()),
        pa.field("bits_reason", pa.string()),
    ]
)
"""What a model predicts of a prompt with one part taken out, a part and prompt a row.

`kind` is what the part is, `index` its number in the layer. `kl` is the mean over tokens of the
Kullback-Leibler divergence from the intact model's predictions, `surprisal` that of -ln of the
next token's probability, both in nats; `_base` is of the intact model."""

ESTIMATES = pa.schema(
    [
        *_PART,
        pa.field("task", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("surprisal_change", pa.list_(pa.float64())),
        pa.field("reason", pa.string()),
    ]
)
"""By how much a prompt's surprisal would change without each head or neuron of a layer, by a
first-order estimate, in nats a token; a layer and prompt a row, the list in their order."""

LESION_VALUES = pa.schema(
    [
        *_PART,
        pa.field("index", pa.int32()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value_base", pa.float64()),
        pa.field("value", pa.float64()),
        pa.field("reason", pa.string()),
    ]
)
"""A metric of a prompt with one part taken out (since schema 7), a part and prompt a row: the mean
over those layers and heads that have a value in the intact model, `value_base`, and without it."""

OUTCOMES = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("outcome", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
"""What came of a model's answer to a prompt, one a row: 1 for right and 0 for wrong, or a score;
`source` is the file or the column that it was read from."""
