"""The published study's three metrics, as inferred from its figures; candidates, named as such."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cortexscope.metrics.base.absent import NO_ATTENTION
from cortexscope.metrics.base.metric import Layout, Metric, Seen, Values
from cortexscope.metrics.base.states import State, add, total
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import AttentionRows, HiddenStates

__all__ = ["StudyAttentionEntropy", "StudyFinalActivation", "StudyMaxSparsity"]

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
