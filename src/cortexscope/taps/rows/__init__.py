"""Statistics of attention rows, a file each: what a metric may ask for without whole rows."""

from __future__ import annotations

from cortexscope.taps._statistics import RowStatistic
from cortexscope.taps.rows.entropy import Entropy
from cortexscope.taps.rows.first_key import FirstKey
from cortexscope.taps.rows.first_token import FirstToken
from cortexscope.taps.rows.learned_sink import LearnedSink
from cortexscope.taps.rows.previous_token import PreviousToken

__all__ = ["ROWS"]

ROWS: dict[str, RowStatistic] = {
    row.name: row
    for row in (
        Entropy(),
        FirstKey(),
        FirstToken(),
        PreviousToken(),
        LearnedSink(),
    )
}
"""The statistics by name, in the order in which needs are listed."""
