"""Values in a grid of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerGrid"]


class LayerGrid(NamedTuple):
    """A row a layer; NaN where undefined, and throughout a layer without values."""

    first: int
    """The layer of the first row."""
    values: NDArray[np.float64]
    """[layer, place]."""

    @classmethod
    def of(cls, frame: pd.DataFrame, place: str) -> LayerGrid:
        """Return the grid of a frame's values by `layer` and another column, from 0."""
        grid = frame.pivot(index="layer", columns=place, values="value")
        layers = range(int(grid.index.min()), int(grid.index.max()) + 1)
        grid = grid.reindex(index=layers, columns=range(int(grid.columns.max()) + 1))
        return cls(layers.start, grid.to_numpy(dtype="float64", na_value=np.nan))
