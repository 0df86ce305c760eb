"""Everything that can be shown at a site."""

from __future__ import annotations

from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._lens import LayerPredictions
from cortexscope.taps._mixing import Mixing
from cortexscope.taps._predictions import Predictions
from cortexscope.taps._routing import Routing
from cortexscope.taps._states import HiddenStates, Neurons, Update
from cortexscope.taps._told import MaskedPredictions, MaskedWordPredictions, Text

__all__ = ["Seen"]

Seen = (
    HiddenStates
    | Neurons
    | Update
    | AttentionRows
    | AttentionSample
    | Routing
    | Mixing
    | Predictions
    | LayerPredictions
    | MaskedPredictions
    | MaskedWordPredictions
    | Text
)
"""What is shown at a site."""
