"""See what a model computes while it computes it: states, and attention without its matrix."""

from cortexscope.taps._routing import Routing
from cortexscope.taps._rows import AttentionRows, HiddenStates
from cortexscope.taps._tap import Receiver, Tap

__all__ = ["AttentionRows", "HiddenStates", "Receiver", "Routing", "Tap"]
