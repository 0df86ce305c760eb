"""How much attention each head parks on the prompt's first token, and which heads are sinks."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics.base.attention import NO_KEY_OF_A_TOKEN, FlagOverRows, WithinStack
from cortexscope.metrics.base.means import MeanOverRows
from cortexscope.records import MetricSpec
from cortexscope.taps import AttentionRows

__all__ = ["AttentionFirstTokenMass", "AttentionSinkRate", "AttentionSinkRate64"]

_GU = "Gu et al. 2025, When attention sink emerges in language models"


class AttentionFirstTokenMass(MeanOverRows):
    """Return the mean probability on the prompt's own first token, per layer and head.

    Over the query rows after the first, whose own key is that token. Where a window hides it, it
    counts as 0; attention_sink_mass takes the first key in the window instead. All attention on
    the first token gives 1; even causal attention to 3 tokens (1/2 + 1/3) / 2 = 0.417, and to more
    of them less, so that it falls with length by construction.
    """

    spec = MetricSpec(
        name="attention_first_token_mass",
        title="Attention on the prompt's first token",
        unit="probability",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.first_token",),
        definition="Mean over query rows after the first of the attention on the first token of "
        "the text, 0 where the row cannot see it.",
        source="Xiao et al. 2023, Efficient streaming language models with attention sinks",
        group="attention",
    )
    undefined = "fewer than two tokens"
    absent = NO_KEY_OF_A_TOKEN

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the first token's probability in all rows."""
        return seen.of("first_token")

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows after each prompt's first token."""
        return seen.rest.unsqueeze(1)


class AttentionSinkRate(FlagOverRows):
    """Return the flag of each head whose mean attention on the first token exceeds a threshold.

    Per layer and head, 1 or 0; the mean over heads is the sink rate. Over all rows, the first one
    included; the threshold is the option `sink_threshold`, 0.3 unless it is set. All attention on
    the first token gives 1; even causal attention to 100 tokens, whose mean is 0.052, gives 0.

    It falls with length by construction: the first causal row always counts 1, and even causal
    attention over n tokens has the mean (1 + 1/2 + .. + 1/n) / n. It is undefined where attention
    that is even over what its mask shows would be a sink: up to 9 causal tokens at 0.3, up to 3
    that all see each other. Above, compare prompts of like lengths, or take
    attention_sink_rate_64.
    """

    undefined = "so few tokens that even attention would be a sink"

    spec = MetricSpec(
        name="attention_sink_rate",
        title="Sink head",
        unit="1",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.first_token",),
        definition="1 where the mean over all query rows of the attention on the first token "
        "exceeds the threshold (option sink_threshold, 0.3), else 0; undefined where that of even "
        "attention does.",
        source=f"after {_GU}",
        group="attention",
        cost="high",
        version=2,
    )
    absent = NO_KEY_OF_A_TOKEN

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the first token's probability in all rows."""
        return seen.of("first_token")

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the rows of prompts whose even attention would be no sink."""
        mass = seen.of("first_token")
        assert mass is not None
        sees = seen.tokens[:, None] & (mass > 0)
        even = torch.where(sees, 1 / seen.visible.double(), 0).sum(-1, keepdim=True)
        return even <= self.options.sink_threshold * seen.positions.counts[:, None, None]

    def holds(self, mean: Tensor) -> Tensor:
        """Return where the mean exceeds the threshold."""
        return mean > self.options.sink_threshold


class AttentionSinkRate64(WithinStack[AttentionRows], FlagOverRows):
    """Return the flag of each head whose mean attention on the first of 64 tokens exceeds 0.3.

    Per layer and head, 1 or 0, as published: over the first 64 rows, the first one included. Since
    64 tokens are fixed, prompts of any greater length compare. Undefined for shorter prompts, and
    where attention looks ahead, whose first rows depend on what follows. All attention on the
    first token gives 1; even causal attention, whose mean is 0.074, gives 0.
    """

    spec = MetricSpec(
        name="attention_sink_rate_64",
        title="Sink head at 64 tokens",
        unit="1",
        axes=("layer", "head"),
        bounds=(0.0, 1.0),
        needs=("attention.first_token", "attention.learned_sink"),
        definition="1 where the mean over the first 64 query rows of the attention on the first "
        "token exceeds 0.3, else 0.",
        source=_GU,
        group="attention",
    )
    undefined = "fewer than 64 tokens, or attention that looks ahead"
    across = "the keys are tokens of another text, all of them seen by every row"

    def value(self, seen: AttentionRows) -> Tensor | None:
        """Return the first token's probability in all rows."""
        return seen.of("first_token")

    def keep(self, seen: AttentionRows) -> Bool[Tensor, "prompt *head query"]:
        """Keep the first 64 rows where there are so many and the first sees itself alone."""
        ranks, counts = seen.positions.ranks, seen.positions.counts
        itself = 1 if seen.of("learned_sink") is None else 2
        first = (seen.tokens & (ranks == 0)).unsqueeze(1)
        ahead = (first & (seen.visible > itself)).any(-1, keepdim=True)
        early = (ranks < 64) & (counts >= 64)[:, None]
        return early.unsqueeze(1) & ~ahead

    def holds(self, mean: Tensor) -> Tensor:
        """Return where the mean exceeds 0.3."""
        return mean > 0.3
