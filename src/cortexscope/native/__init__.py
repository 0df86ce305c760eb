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
from cortexscope.native._states import (
    Central,
    Rows,
    Sizes,
    below,
    central,
    medians,
    products,
    sizes,
    takes_states,
)

__all__ = [
    "Central",
    "LogitSums",
    "NativeRows",
    "Rows",
    "Sizes",
    "attention_rows",
    "below",
    "central",
    "is_there",
    "medians",
    "products",
    "read_logits",
    "remark",
    "sizes",
    "takes_attention",
    "takes_logits",
    "takes_states",
    "whole_attention_rows",
]
