"""How alike the layers of a model see the prompts of a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from cortexscope.metrics.base.metric import Layout, Values, not_finite_as_infinity
from cortexscope.metrics.base.pooled import MEAN_STATE, OverPrompts
from cortexscope.metrics.base.states import State
from cortexscope.records import MetricSpec

__all__ = ["CKA"]

_BLOCK = 256


class CKA(OverPrompts):
    """Return the linear CKA of two layers over the prompts of a task, for each pair of layers.

    Of each layer 0..L with every later one, on each prompt's mean state. The unbiased estimate of
    HSIC is summed over blocks of equal size, at most 256 prompts each in the order of their ids.
    Layers that differ by a rotation, a shift and a scale have CKA 1; unrelated ones 0 on average,
    so that single values can be below 0.
    """

    spec = MetricSpec(
        name="cka",
        title="Centred kernel alignment",
        unit="1",
        axes=("layer", "other layer"),
        bounds=(-1.0, 1.0),
        needs=("hidden",),
        definition="Minibatch linear CKA, by the unbiased HSIC, of the prompts' mean hidden states "
        "(of the tokens after the first) in a layer and in a later one, before the final norm.",
        source="Nguyen, Raghu & Kornblith 2021, Do wide and deep networks learn the same things?",
        group="depth",
        cost="high",
        replication="task",
    )
    pool = MEAN_STATE

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        """Compare every two layers of a stack."""
        for sites in layout.hidden:
            alike = alignment([state[site]["vector"].double() for site in sites])
            for number, site in enumerate(sites[:-1], start=1):
                yield Values(
                    (site,),
                    alike[number - 1, number:][None, None],
                    "fewer than four prompts, or a layer where all have one state",
                    tuple(int(other.layer or 0) for other in sites[number:]),
                    state[site]["count"].sum()[None, None],
                )


def alignment(
    layers: Sequence[Float[Tensor, "prompt _"]],
) -> Float[Tensor, "layer other"]:
    """Return the CKA of all pairs of layers, NaN where undefined; infinite where states are not."""
    prompts = len(layers[0])
    sums = torch.zeros(len(layers), len(layers), dtype=torch.float64)
    if prompts < 4:
        return sums.fill_(torch.nan)
    for rows in torch.arange(prompts).tensor_split(-(-prompts // _BLOCK)):
        grams = torch.stack([_centred_gram(layer[rows]).flatten() for layer in layers])
        sums += grams @ grams.T / (len(rows) * (len(rows) - 3))
    own = sums.diagonal()
    alike = not_finite_as_infinity(sums / (own[:, None] * own).sqrt())
    undefined = (own == 0)[:, None] | (own == 0)
    return torch.where(alike.isfinite(), alike.clamp(-1, 1), alike).masked_fill(
        undefined, torch.nan
    )


def _centred_gram(rows: Tensor) -> Tensor:
    """Return products of prompts, centred so that two such matrices multiply to the unbiased HSIC.

    Off the diagonal each entry less its row's and column's mean, by the counts that leave no bias.
    """
    count = len(rows)
    rows = rows - rows.mean(0)
    gram = (rows @ rows.T).fill_diagonal_(0)
    means = gram.sum(0) / (count - 2)
    gram = gram - means - means[:, None] + gram.sum() / ((count - 1) * (count - 2))
    return gram.fill_diagonal_(0)
