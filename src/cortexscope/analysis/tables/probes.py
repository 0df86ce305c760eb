"""How well each layer tells the tasks apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis._frames import stacked
from cortexscope.analysis._vectors import NO_STATES, Vectors
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import Probe, probe_layers

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Probes", "probe_of"]


class Probes(Step):
    """As `stats.probe_layers` gives them, with their chance."""

    name = "probes"
    holds = "how well each layer tells the tasks apart"
    of_vectors = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and layer."""
        tables = []
        for own in of.states:
            probe = probe_of(of, own)
            tables.append(own.numbered(probe.layers).assign(chance=probe.chance))
        return stacked(tables)

    def absent(self, of: Analysis) -> str:
        """Return why there is no probe."""
        return NO_STATES


def probe_of(of: Analysis, own: Vectors) -> Probe:
    """Return the probes of a model's layers, made once."""

    def make() -> Probe:
        of.note(f"{own.model}: which layer tells the tasks apart")
        return probe_layers(
            own.vectors,
            own.tasks,
            own.clusters,
            n_tokens=own.lengths,
            texts=list(own.prompts["text"]),
            rng=of.stream("probes", own.model),
            permutations=of.settings.of_layers,
        )

    return of.once(("probe", own.model), make)
