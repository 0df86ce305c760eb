"""Everything that can be shown at a site."""

from __future__ import annotations

from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._inputs import AttentionInput, HeadOutputs, MLPInput, Neurons
from cortexscope.taps._lens import LayerPredictions
from cortexscope.taps._mixing import Mixing
from cortexscope.taps._predictions import Predictions
from cortexscope.taps._routing import Routing
from cortexscope.taps._states import HiddenStates
from cortexscope.taps._told import MaskedPredictions, MaskedWordPredictions, Text
from cortexscope.taps._updates import Update

__all__ = ["Seen", "kind_of"]

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

_KINDS: dict[str, type] = {
    "hidden": HiddenStates,
    "final": HiddenStates,
    "neurons": Neurons,
    "inputs.attention": AttentionInput,
    "inputs.heads": HeadOutputs,
    "inputs.mlp": MLPInput,
    "updates": Update,
    "attention.rows": AttentionSample,
    "experts": Routing,
    "mixers": Mixing,
    "mixers.state": Mixing,
    "predictions": Predictions,
    "predictions.next": Predictions,
    "lens": LayerPredictions,
    "text": Text,
    "masked": MaskedPredictions,
    "masked.word": MaskedWordPredictions,
}


def kind_of(need: str) -> type:
    """Return what is shown to who names a need; rows are for all other needs of attention."""
    return _KINDS.get(need, AttentionRows)
