"""What runs that are read together have beside their measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.store._layout import OUTCOMES
from cortexscope.store._lesions import LesionPlan, Lesions
from cortexscope.store._outcomes import read_outcomes
from cortexscope.store._pairs import PairPlan, Pairs
from cortexscope.store._side_files import SidePlan, read_side_files, side_files
from cortexscope.store._sources import Sources
from cortexscope.store._vectors import LayerMeans

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Beside"]


class Beside(Sources):
    """Vectors, texts, pairs of models, models without parts, and outcomes, by the models' names."""

    def mean_states(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean state of each layer, as `Run.mean_states`."""
        own = self._sources[model]
        return own.run.mean_states(own.label)

    def mean_neurons(self, model: str) -> LayerMeans | None:
        """Return each prompt's mean activation of neurons, as `Run.mean_neurons`."""
        own = self._sources[model]
        return own.run.mean_neurons(own.label)

    def generations(self) -> pd.DataFrame:
        """Return what models added to prompts, as `Run.generations`."""
        import pandas as pd

        parts = []
        for run in self.runs:
            texts = run.generations()
            parts.append(texts.assign(model=texts["model"].map(self._names(run))))
        return pd.concat(parts, ignore_index=True)

    @property
    def compared(self) -> bool:
        """Whether any models were compared."""
        return self._has(PairPlan)

    def pairs(self) -> Pairs:
        """Return what runs have of pairs of models."""
        # A base out of a file is no model of the run, and keeps its name.
        return Pairs(*self._joined(PairPlan, "base", "model"))

    @property
    def lesioned(self) -> bool:
        """Whether parts were taken out of any of the models."""
        return self._has(LesionPlan)

    def lesions(self) -> Lesions:
        """Return what runs have of models without parts of them."""
        return Lesions(*self._joined(LesionPlan, "model"))

    @property
    def has_outcomes(self) -> bool:
        """Whether it was told what came of answers."""
        return any((run.path / OUTCOMES).is_file() for run in self.runs)

    def outcomes(self) -> pd.DataFrame:
        """Return what came of models' answers, in the columns of `OUTCOMES`, where it was told."""
        import pandas as pd

        parts = []
        for run in self.runs:
            found = read_outcomes(run.path)
            named = found["model"].map(self._names(run))
            parts.append(found.assign(model=named).dropna(subset=["model"]))
        return pd.concat(parts, ignore_index=True)

    def _has(self, kind: type[SidePlan]) -> bool:
        return any(side_files(kind, run.path) for run in self.runs)

    def _joined(self, kind: type[SidePlan], *columns: str) -> list[pd.DataFrame]:
        """Return the tables of a kind of side files, models in these columns by their names."""
        import pandas as pd

        found = []
        for run in self.runs:
            renamed = {column: self._names(run) for column in columns}
            found.append([own.replace(renamed) for own in read_side_files(kind, run.path)])
        return [pd.concat(own, ignore_index=True) for own in zip(*found, strict=True)]
