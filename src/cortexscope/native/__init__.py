"""What is computed by compiled code where that was built, and by torch where it was not."""

from __future__ import annotations

from cortexscope.native._library import is_there, remark
from cortexscope.native._logits import LogitSums, read_logits, takes_logits
from cortexscope.native._rows import (
    NativeRows,
    attention_rows,
    takes_attention,
    whole_attention_rows,
)
from cortexscope.native._samples import RowSizes, attention_row_sizes, takes_rows
from cortexscope.native._states import (
    MOMENTS,
    SIZES,
    Massive,
    PromptSizes,
    Rows,
    prompt_sizes,
    row_sizes,
    takes_states,
)

__all__ = [
    "MOMENTS",
    "SIZES",
    "LogitSums",
    "Massive",
    "NativeRows",
    "PromptSizes",
    "RowSizes",
    "Rows",
    "attention_row_sizes",
    "attention_rows",
    "is_there",
    "prompt_sizes",
    "read_logits",
    "remark",
    "row_sizes",
    "takes_attention",
    "takes_logits",
    "takes_rows",
    "takes_states",
    "whole_attention_rows",
]
