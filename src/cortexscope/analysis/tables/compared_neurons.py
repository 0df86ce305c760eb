"""Which neurons of models differ from those of the one that they are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._frames import stacked
from cortexscope.analysis.tables._compared import ComparedStep, Pair
from cortexscope.stats import benjamini_hochberg

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis
    from cortexscope.analysis._vectors import Vectors

__all__ = ["ComparedNeurons"]


class ComparedNeurons(ComparedStep):
    """A row a pair of models and neuron whose mean activation differs at all, the clearest first.

    Neurons are paired by their numbers, of models whose MLPs are as deep and as wide. `difference`
    is the model's mean activation less the base's, the mean over prompts; `p` is Student's for
    paired differences, since signs cannot be flipped often enough for so many tests, and `p_bh`
    counts all neurons of the pair (Benjamini and Hochberg).
    """

    name = "compared_neurons"
    holds = "which neurons differ from those of the model compared with"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair and neuron that differs."""
        parts = []
        for pair in self.measured(of):
            one, two = of.neurons(pair.base), of.neurons(pair.model)
            if one is not None and two is not None and _alike(one, two):
                parts.append(_paired(pair, one, two))
        return stacked([own for own in parts if len(own)])

    def absent(self, of: Analysis) -> str:
        """Return why no neurons are compared."""
        if not any(True for _ in self.measured(of)):
            return super().absent(of)
        if any(run.manifest.settings.get("keep_neurons") for run in of.measured.runs):
            return "no neuron differs, or the models' MLPs are not as deep and as wide"
        return "the run kept no neurons; run again with --keep-neurons to compare them"


def _alike(one: Vectors, two: Vectors) -> bool:
    widths = ([layer.shape[1] for layer in own.vectors] for own in (one, two))
    first, second = widths
    return one.layers == two.layers and first == second


def _paired(pair: Pair, one: Vectors, two: Vectors) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import ttest_1samp

    known = {*two.prompts["prompt_id"]}
    ids = [name for name in one.prompts["prompt_id"] if name in known]
    places = [
        own.prompts.set_index("prompt_id").index.get_indexer(pd.Index(ids)) for own in (one, two)
    ]
    clusters = one.clusters[places[0]]
    names, member = np.unique(clusters.astype(str), return_inverse=True)
    counts = np.bincount(member)[:, None]
    parts = []
    for layer, ours, theirs in zip(one.layers, one.vectors, two.vectors, strict=True):
        apart = theirs[places[1]].astype(np.float64) - ours[places[0]]
        units = np.zeros((len(names), apart.shape[1]))
        np.add.at(units, member, apart)
        units /= counts
        differs = np.flatnonzero((np.ptp(units, axis=0) > 0) & np.isfinite(units).all(axis=0))
        if len(differs) and len(names) > 1:
            found = ttest_1samp(units[:, differs], 0.0)
            parts.append(
                pd.DataFrame(
                    {
                        "layer": layer,
                        "index": differs,
                        "difference": units[:, differs].mean(axis=0),
                        "t": found.statistic,
                        "p": found.pvalue,
                        "prompts": len(names),
                    }
                )
            )
    table = stacked(parts)
    if table.empty:
        return table
    total = sum(layer.shape[1] for layer in one.vectors)
    # Those that do not differ at all are tests too.
    p = np.concatenate([table["p"].to_numpy(), np.ones(total - len(table))])
    table = table.assign(base=pair.base, model=pair.model, p_bh=benjamini_hochberg(p)[: len(table)])
    first = ["base", "model"]
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    return table.sort_values("p", kind="stable").reset_index(drop=True)
