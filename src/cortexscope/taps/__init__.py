"""See what a model computes while it computes it: states, and attention without its matrix."""

from cortexscope.taps._routing import Routing
from cortexscope.taps._rows import AttentionRows, AttentionSample, HiddenStates, Neurons, Update
from cortexscope.taps._stack import Seen
from cortexscope.taps._tap import NEEDS, Receiver, Tap
from cortexscope.taps._tokens import Tokens

__all__ = [
    "NEEDS",
    "AttentionRows",
    "AttentionSample",
    "HiddenStates",
    "Neurons",
    "Receiver",
    "Routing",
    "Seen",
    "Tap",
    "Tokens",
    "Update",
]
