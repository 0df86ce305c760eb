"""See what a model computes while it computes it: states, and attention without its matrix."""

from cortexscope.taps._attention_rows import AttentionRows, AttentionSample
from cortexscope.taps._distributions import Distributions
from cortexscope.taps._functions import MULTI_HEAD, SDPA, SOFTMAXES, seen_inside
from cortexscope.taps._fused import fused_attention, is_fusible
from cortexscope.taps._inputs import AttentionInput, HeadOutputs, MLPInput, Neurons
from cortexscope.taps._lens import LayerPredictions
from cortexscope.taps._mask import read_mask
from cortexscope.taps._mixing import Mixing
from cortexscope.taps._predictions import BOTH_WAYS, Predictions, Unread, distributions, spread_out
from cortexscope.taps._readout import NO_HEAD, Readout, ReadoutError
from cortexscope.taps._reductions import Key, Reduced
from cortexscope.taps._routing import Routing
from cortexscope.taps._seen import Seen, kind_of
from cortexscope.taps._states import HiddenStates
from cortexscope.taps._statistics import Outcomes
from cortexscope.taps._tap import NEEDS, Receiver, Tap
from cortexscope.taps._tokens import Tokens
from cortexscope.taps._told import MaskedPredictions, MaskedWordPredictions, Text
from cortexscope.taps._unembedding import Unembedding
from cortexscope.taps._updates import Update
from cortexscope.taps.rows import ROWS

__all__ = [
    "BOTH_WAYS",
    "MULTI_HEAD",
    "NEEDS",
    "NO_HEAD",
    "ROWS",
    "SDPA",
    "SOFTMAXES",
    "AttentionInput",
    "AttentionRows",
    "AttentionSample",
    "Distributions",
    "HeadOutputs",
    "HiddenStates",
    "Key",
    "LayerPredictions",
    "MLPInput",
    "MaskedPredictions",
    "MaskedWordPredictions",
    "Mixing",
    "Neurons",
    "Outcomes",
    "Predictions",
    "Readout",
    "ReadoutError",
    "Receiver",
    "Reduced",
    "Routing",
    "Seen",
    "kind_of",
    "Tap",
    "Text",
    "Tokens",
    "Unembedding",
    "Unread",
    "Update",
    "distributions",
    "fused_attention",
    "is_fusible",
    "read_mask",
    "seen_inside",
    "spread_out",
]
