"""What metrics are shown of what the matrices of a block read."""

from __future__ import annotations

from cortexscope.taps._states import HiddenStates

__all__ = ["AttentionInput", "HeadOutputs", "MLPInput", "Neurons"]


class Neurons(HiddenStates):
    """The activations of an MLP's neurons: what its down projection reads.

    With a gate they are the products of gate and value. They have the reductions of states.
    """


class AttentionInput(HiddenStates):
    """What the matrices of self-attention read: the stream, normed where the block norms first."""


class HeadOutputs(HiddenStates):
    """What the output matrix of self-attention reads: what its heads give, side by side."""


class MLPInput(HiddenStates):
    """What the matrices before an MLP's neurons read: the stream, normed where the block does."""
