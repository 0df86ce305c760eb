"""How alike the layers of a model, and of two models, see the prompts."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._frames import of_model, stacked
from cortexscope.analysis._vectors import NO_STATES, Vectors
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import representational_similarity

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Similarity"]


class Similarity(Step):
    """As `stats.representational_similarity` gives it."""

    name = "similarity"
    holds = "how alike the layers of a model, and of two models, see the prompts"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a pair of layers, of each model and of each two."""
        own = [(one, one) for one in of.states]
        return stacked([_pairs(of, one, two) for one, two in (*own, *combinations(of.states, 2))])

    def absent(self, of: Analysis) -> str:
        """Return why there is no similarity."""
        return NO_STATES


def _pairs(of: Analysis, one: Vectors, two: Vectors) -> pd.DataFrame:
    alone = one is two
    both = one.model if alone else f"{one.model} and {two.model}"
    of.note(f"{both}: how alike {'its' if alone else 'their'} layers see the prompts")
    shared = set(two.prompts["prompt_id"])
    ids = [name for name in one.prompts["prompt_id"] if name in shared]
    rows = [own.prompts.set_index("prompt_id").loc[ids] for own in (one, two)]
    chosen = [
        [vectors[own.prompts["prompt_id"].isin(ids).to_numpy()] for vectors in own.vectors]
        for own in (one, two)
    ]
    found = representational_similarity(
        chosen[0],
        None if alone else chosen[1],
        rows[0]["cluster"],
        n_tokens=np.sqrt(rows[0]["n_tokens"].to_numpy() * rows[1]["n_tokens"].to_numpy()),
        rng=of.stream("similarity", one.model, two.model),
        permutations=of.settings.of_layers,
    )
    pairs = found.pairs.assign(
        layer=[one.layers[place] for place in found.pairs["layer"]],
        other=[two.layers[place] for place in found.pairs["other"]],
        n=found.n,
        method=found.method,
    )
    pairs.insert(0, "other_model", two.model)
    return of_model(pairs, one.model)
