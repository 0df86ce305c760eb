"""What the published study measured, as inferred from its figures; candidates, named as such."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cortexscope.metrics.base.absent import NO_ATTENTION
from cortexscope.metrics.base.means import quotients
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add, total
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows, HiddenStates

__all__ = [
    "StudyAttentionEntropy",
    "StudyFinalActivation",
    "StudyMaxSparsity",
    "StudyMeanAttention",
]

_SOURCE = "Neural Activation Patterns Across Language Model Architectures (arXiv 2605.15436), as "


class StudyFinalActivation(Metric):
    """Return the mean over tokens and features of the state after the final norm.

    Signed: entries of +1 and -1 in equal number give 0, all ones give 1. A few features of large
    magnitude decide it.
    """

    spec = MetricSpec(
        name="study.final_activation",
        title="Study final activation",
        unit="hidden-state units",
        axes=(),
        bounds=(None, None),
        needs=("final",),
        definition="Mean over tokens and features of the last hidden state, after the final norm.",
        source=_SOURCE + "inferred",
        group="study",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the sum of all entries."""
        if type(seen) is not HiddenStates or site.layer is not None:
            return state
        tokens = seen.tokens.sum(-1).double()
        sums = {"total": total(seen.sums, seen.tokens), "count": tokens * seen.width}
        return add(state, site, {**sums, "tokens": tokens})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the number of entries."""
        for site in layout.final:
            sums = state[site]
            mean = (sums["total"] / sums["count"])[None]
            yield Values((site,), mean, None, tokens=sums["tokens"][None])


class StudyAttentionEntropy(Metric):
    """Return the entropy summed over query rows, then averaged over heads and layers, in nats.

    Even causal attention over n tokens gives ln 1 + ... + ln n: it grows with the prompt's length
    by definition, faster than n.
    """

    together = True
    spec = MetricSpec(
        name="study.attention_entropy",
        title="Study attention entropy",
        unit="nats",
        axes=(),
        bounds=(0.0, None),
        needs=("attention.entropy",),
        definition="For each layer and head the sum over query rows of the row's Shannon entropy; "
        "then the mean over heads and layers.",
        source=_SOURCE + "inferred: its values exceed ln of any possible length",
        group="study",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the sums over rows and heads, and the number of heads."""
        if not isinstance(seen, AttentionRows) or (entropy := seen.of("entropy")) is None:
            return state
        heads = total(entropy, seen.tokens[:, None])
        count = torch.full_like(heads[:, 0], heads.shape[1])
        rows = seen.tokens.sum(-1).double()
        return add(state, site, {"total": heads.sum(-1), "count": count, "tokens": rows})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Average over all heads of all layers that attend."""
        for sites in layout.attention:
            whole = Site.whole(sites[0].stack)
            if any(site in layout.known.attention and site not in state for site in sites):
                yield Values((whole,), None, NO_ATTENTION.unread)
                continue
            layers = [state[site] for site in sites if site in state]
            if not layers:
                yield Values((whole,), None, NO_ATTENTION.anywhere)
                continue
            summed = torch.stack([sums["total"] for sums in layers]).sum(0)
            heads = torch.stack([sums["count"] for sums in layers]).sum(0)
            rows = layers[0]["tokens"][None]
            yield Values((whole,), (summed / heads)[None], None, tokens=rows)


class StudyMaxSparsity(Metric):
    """Return the largest share of near-zero entries of any hidden state of the model.

    Over the embedding output and every layer as Hugging Face returns them: the last one after the
    final norm. A layer of zeros gives 1; no entry below the threshold anywhere gives 0.
    """

    together = True
    spec = MetricSpec(
        name="study.max_sparsity",
        title="Study maximum sparsity",
        unit="share",
        axes=(),
        bounds=(0.0, 1.0),
        needs=("hidden", "final"),
        definition="The largest, over the embedding output and every layer's hidden state as "
        "Hugging Face returns them, of the share of entries with |h| < 0.01 (the threshold is an "
        "option).",
        source=_SOURCE + "inferred",
        group="study",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add the number of near-zero entries, and of all entries."""
        if type(seen) is not HiddenStates:
            return state
        near = total(seen.near_zero(self.options.near_zero), seen.tokens)
        tokens = seen.tokens.sum(-1).double()
        sums = {"total": near, "count": tokens * seen.width, "tokens": tokens}
        return add(state, site, sums)

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Take the largest share; the last block counts after the final norm only."""
        for sites, final in zip(layout.hidden, layout.final, strict=True):
            returned = [state[site] for site in (*sites[:-1], final)]
            shares = torch.stack([sums["total"] / sums["count"] for sums in returned])
            tokens = state[final]["tokens"][None]
            yield Values((final,), shares.amax(0, keepdim=True), None, tokens=tokens)


class StudyMeanAttention(Metric):
    """Return the mean attention weight over heads, query rows and keys, per layer.

    Of the whole matrix, with 0 where a row cannot see a key. Each row sums to 1, so that it is 1 /
    keys, whatever the model, the layer and the text; less where a learned sink takes a share. Kept
    for comparison: it carries nothing but the length.
    """

    together = True
    spec = MetricSpec(
        name="study.mean_attention",
        title="Study mean attention weight",
        unit="probability",
        axes=("layer",),
        bounds=(0.0, 1.0),
        # No fused kernel has sinks; its rows are shown for a statistic that it gives.
        needs=("attention.first_key", "attention.learned_sink"),
        definition="Mean over heads, query rows and all keys of the attention weights, 0 where a "
        "row cannot see a key; rows sum to 1, so that it is 1 / keys for any model, less what a "
        "learned sink takes.",
        source=_SOURCE + "its script takes it for two regions of a brain",
        group="study",
    )

    def update(self, state: State, site: Site, seen: Seen) -> State:
        """Add each row's sum over the number of keys, averaged over heads."""
        if not isinstance(seen, AttentionRows):
            return state
        tokens, sink = seen.tokens, seen.of("learned_sink")
        # A sink counts as visible, and is no key.
        visible = seen.visible - int(sink is not None)
        sums = (visible > 0).double() if sink is None else 1 - sink.double()
        keys = torch.where(tokens[:, None], visible, 0).amax((1, 2))
        if site.stack != "cross":
            # A window hides keys that are in the matrix all the same.
            keys = torch.maximum(keys, torch.where(tokens, seen.positions.ranks + 1, 0).amax(-1))
        weights = (sums.mean(1) / keys[:, None].clamp(min=1)).expand(tokens.shape)
        count = tokens.sum(-1).double()
        return add(state, site, {"total": total(weights, tokens), "count": count})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Divide by the number of rows, layer by layer."""
        yield from quotients(
            state, layout.attention, "no tokens", absent=NO_ATTENTION,
            known=layout.known.attention,
        )  # fmt: skip
