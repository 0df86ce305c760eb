"""The neurons that tell each task from the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cortexscope.analysis._frames import of_model, stacked
from cortexscope.analysis.tables._step import Step
from cortexscope.analysis.tables.selective import most_selective
from cortexscope.stats import selective_features

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["SelectiveNeurons"]


class SelectiveNeurons(Step):
    """Chosen on one half of the prompts and judged on the other: `stats.selective_features`.

    By each prompt's mean activation over its tokens after the first. `layer` is the model's own
    number and `index` the neuron's place, from 0, in what the MLP's down projection reads.
    """

    name = "selective_neurons"
    holds = "the neurons that tell each task from the others, judged on other prompts"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, task, form and neuron that was chosen."""
        tables = []
        for model in of.measured.labels:
            own = of.neurons(model)
            if own is None:
                continue
            of.note(f"{model}: neurons that tell a task from the others")
            found = selective_features(
                own.vectors,
                own.tasks,
                own.clusters,
                n_tokens=own.lengths,
                rng=of.stream(self.name, model),
            )
            layers = found.chosen["layer"].map(dict(enumerate(own.layers))).astype("Int64")
            tables.append(of_model(found.chosen.assign(layer=layers), model))
        return stacked(tables)

    def absent(self, of: Analysis) -> str:
        """Return why no neurons are chosen."""
        if any(run.manifest.settings.get("keep_neurons") for run in of.measured.runs):
            return "no model has an MLP whose neurons can be seen"
        return "the run kept no neurons; run again with --keep-neurons to have selective ones"

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield the most selective neuron of each model."""
        return most_selective(of.table(self.name), "neuron", "index")
