"""A model's vectors of prompts, as the statistics of layers take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._frames import of_model
from cortexscope.analysis._groups import Groups
from cortexscope.store import LayerMeans, Measurements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NO_STATES", "Vectors", "vectors_of"]

NO_STATES = (
    "the run kept no states; run again without --no-states to have probes, silhouettes and "
    "similarities of layers"
)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """One model's vectors of the prompts of the suite, without controls but paraphrases."""

    model: str
    vectors: tuple[np.ndarray, ...]
    """[prompt, feature], a layer each."""
    layers: tuple[int, ...]
    """The model's own numbers of them."""
    prompts: pd.DataFrame
    """prompt_id, task, text, cluster, n_tokens: a row a prompt, in the order of the suite."""

    @property
    def tasks(self) -> np.ndarray:
        """Each prompt's task."""
        return self.prompts["task"].to_numpy()

    @property
    def clusters(self) -> np.ndarray:
        """Each prompt's source, or itself."""
        return self.prompts["cluster"].to_numpy()

    @property
    def lengths(self) -> np.ndarray:
        """Each prompt's number of tokens."""
        return self.prompts["n_tokens"].to_numpy()

    def numbered(self, layers: pd.DataFrame) -> pd.DataFrame:
        """Return a table of layers by their place with the model, and its own numbers of them."""
        places = [self.layers[place] for place in layers["layer"]]
        return of_model(layers.assign(layer=places), self.model)


def vectors_of(
    measured: Measurements, model: str, kept: LayerMeans | None, groups: Groups
) -> Vectors | None:
    """Return what a run kept of a model's prompts in these groups; None where it kept nothing."""
    if kept is None:
        return None
    prompts = measured.prompts.set_index("prompt_id")
    ids = set(prompts.index)
    read = measured.primary(measured.lengths(controls=True))
    lengths = read[read["model"] == model].set_index("prompt_id")["n_tokens"]
    frame = prompts.loc[list(kept.prompts), ["task", "text", "control", "origin"]]
    frame = frame.assign(
        cluster=frame["origin"].where(frame["origin"].isin(ids), frame.index),
        n_tokens=lengths.reindex(list(kept.prompts)).to_numpy(dtype="float64"),
    ).reset_index()
    made = frame["control"].isin(["shuffled", "random"]).to_numpy()
    usable = ~made & frame["n_tokens"].notna().to_numpy()
    # In the order of the suite, so that nothing depends on how prompts were batched.
    place = {name: number for number, name in enumerate(prompts.index)}
    order = np.array(
        sorted(np.flatnonzero(usable), key=lambda row: place[kept.prompts[row]]), dtype=np.intp
    )
    found = groups.put(frame.iloc[order].reset_index(drop=True))
    order = order[found.index.to_numpy()]
    vectors = tuple(own[order] for own in kept.vectors)
    return Vectors(model, vectors, kept.layers, found.reset_index(drop=True))
