"""Below what size a given share of entries lies: of the stream, and of what matrices read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from cortexscope.metrics.base.absent import NO_ATTENTION_MATRIX, NO_NEURONS
from cortexscope.metrics.base.metric import Layout, Values, not_finite_as_infinity
from cortexscope.metrics.base.neurons import of_neurons
from cortexscope.metrics.base.over_tokens import OverTokens, OverTokensOfNeurons
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionInput, HeadOutputs, HiddenStates, MLPInput

__all__ = [
    "AttentionInputThreshold",
    "HeadOutputThreshold",
    "MLPInputThreshold",
    "NeuronThreshold",
    "SparsityThreshold",
]

_TEAL = "Liu et al. 2024, Training-free activation sparsity (TEAL)"

_SHARES = (25, 40, 50, 65)


class SparsityThreshold(OverTokens):
    """Return the |h| at or below which 25, 40, 50 and 65 % of entries lie, per layer 0..L.

    In the units of the hidden states; of all entries of the prompt's tokens that are looked at, in
    ascending order, number ceil(share x entries), which is exact and is one of the entries. To set
    all of that size and below to 0 gives that sparsity. Of the sizes 1, 2, ..., 100 the thresholds
    are 25, 40, 50 and 65; of standard normal entries 0.319, 0.524, 0.674 and 0.935.

    Of the residual stream itself, which no matrix reads before it is normed. The thresholds of
    TEAL are those of what matrices read: attention_input_threshold, head_output_threshold,
    mlp_input_threshold and neuron_threshold.
    """

    spec = MetricSpec(
        name="sparsity_threshold",
        title="Threshold for a sparsity",
        unit="hidden-state units",
        axes=("layer", "share"),
        bounds=(0.0, None),
        needs=("hidden",),
        definition="Smallest |h| such that 25, 40, 50 or 65 % of a prompt's hidden-state entries "
        "are no larger, before the final norm; the share in % is the index.",
        source="cortexscope; quantiles of magnitude as in TEAL, which takes them of what matrices "
        "read",
        group="sparsity",
        cost="high",
        sampled=True,
    )

    def value(self, seen: HiddenStates) -> Tensor:
        """Return the four thresholds of each prompt."""
        entries = seen.positions.counts[:, None] * seen.width
        shares = torch.tensor(_SHARES, device=entries.device)
        places = (entries * shares + 99) // 100 - 1
        return not_finite_as_infinity(seen.pooled.gather(1, places))

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Number the values by share."""
        for values in super().compute(state, layout):
            yield replace(values, index=_SHARES)


class NeuronThreshold(OverTokensOfNeurons, SparsityThreshold):
    """Return the |a| at or below which 25, 40, 50 and 65 % of neurons lie, per layer 1..L.

    As `sparsity_threshold`, of what the down projection reads. Of the sizes 1, 2, ..., 100 the
    thresholds are 25, 40, 50 and 65; where half of the neurons are 0, the first three are 0.
    """

    spec = of_neurons(
        SparsityThreshold.spec,
        "neuron_threshold",
        title="Threshold for a sparsity of neurons",
        definition="Smallest |a| such that 25, 40, 50 or 65 % of the MLP's neurons, at the tokens "
        "of a prompt, are no larger, in what the down projection reads; the share in % is the "
        "index.",
        source=_TEAL,
    )


class _OfInputs(SparsityThreshold):
    """The same of what a matrix of each block reads."""

    def stacks(self, layout: Layout) -> tuple[tuple[Site, ...], ...]:
        """Return all blocks."""
        return layout.blocks


class AttentionInputThreshold(_OfInputs):
    """Return the |x| at or below which 25, 40, 50 and 65 % of attention's inputs lie, per layer.

    As `sparsity_threshold`, of what the matrices of queries, keys and values read, in layers 1..L:
    the stream after the norm, where a block norms first. Of the sizes 1, 2, ..., 100 the
    thresholds are 25, 40, 50 and 65.
    """

    absent = NO_ATTENTION_MATRIX
    kind = AttentionInput
    spec = replace(
        SparsityThreshold.spec,
        name="attention_input_threshold",
        title="Threshold for a sparsity of attention's input",
        unit="input units",
        needs=("inputs.attention",),
        definition="Smallest |x| such that 25, 40, 50 or 65 % of the entries, at the tokens of a "
        "prompt, are no larger, in what the first matrix of self-attention reads; the share in % "
        "is the index.",
        source=_TEAL,
    )


class HeadOutputThreshold(_OfInputs):
    """Return the |x| at or below which 25, 40, 50 and 65 % of the heads' outputs lie, per layer.

    As `sparsity_threshold`, of what the output matrix of attention reads: the weighted values of
    all heads side by side, in layers 1..L. Of the sizes 1, 2, ..., 100 the thresholds are 25, 40,
    50 and 65.
    """

    absent = NO_ATTENTION_MATRIX
    kind = HeadOutputs
    spec = replace(
        AttentionInputThreshold.spec,
        name="head_output_threshold",
        title="Threshold for a sparsity of the heads' outputs",
        needs=("inputs.heads",),
        definition="Smallest |x| such that 25, 40, 50 or 65 % of the entries, at the tokens of a "
        "prompt, are no larger, in what the output matrix of self-attention reads; the share in % "
        "is the index.",
    )


class MLPInputThreshold(_OfInputs):
    """Return the |x| at or below which 25, 40, 50 and 65 % of an MLP's inputs lie, per layer 1..L.

    As `sparsity_threshold`, of what the matrices of gate and value read: the stream after the
    norm, where a block norms first. An MLP of experts has none. Of the sizes 1, 2, ..., 100 the
    thresholds are 25, 40, 50 and 65.
    """

    absent = NO_NEURONS
    kind = MLPInput
    spec = replace(
        AttentionInputThreshold.spec,
        name="mlp_input_threshold",
        title="Threshold for a sparsity of the MLP's input",
        needs=("inputs.mlp",),
        definition="Smallest |x| such that 25, 40, 50 or 65 % of the entries, at the tokens of a "
        "prompt, are no larger, in what the first matrix of the MLP reads; the share in % is the "
        "index.",
    )
