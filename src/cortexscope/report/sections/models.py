"""Which models were read, and how."""

from __future__ import annotations

from cortexscope.document import UNDEFINED, Column, Part, Section, Table
from cortexscope.report._labels import parameters_text, plain
from cortexscope.report._shown import Shown

__all__ = ["build"]

_COLUMNS = (
    *(Column(name) for name in ("Model", "Checkpoint", "Revision", "Family", "Architecture")),
    Column("Parameters"),
    Column("Layers", "integer"),
    Column("Heads (key/value)"),
    Column("Hidden size", "integer"),
    Column("Weights"),
    Column("Seconds", "number", decimals=1),
)


def build(shown: Shown) -> Section:
    """Return a table with a row a model."""
    rows = []
    for info in shown.manifest.models:
        timing = shown.manifest.timings.get(info.model, {})
        seconds = sum(value for key, value in timing.items() if key.endswith("_seconds"))
        rows.append(
            (
                plain(info.model),
                plain(info.name),
                plain(info.revision or UNDEFINED),
                plain(info.family),
                info.stack_kind,
                parameters_text(info.parameters),
                info.layers,
                f"{info.heads} ({info.kv_heads})",
                info.hidden_size,
                info.dtype,
                seconds or float("nan"),
            )
        )
    table = Table(key="models_read", title="Models", parts=(Part.of(_COLUMNS, rows),))
    return Section("models", "Models", (table,))
