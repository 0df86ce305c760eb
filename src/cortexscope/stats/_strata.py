"""Inside of what units are exchanged where length is taken out: bins of about equal length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexscope.stats._permutation import bins_of
from cortexscope.stats._units import Units

__all__ = ["strata_of"]


def strata_of(units: Units, *, groups: bool = True) -> NDArray[np.intp]:
    """Return each unit's bin of about equal length, of its block where there are blocks, [unit].

    Args:
        units: of one metric.
        groups: whether bins are to have room for every task, as where tasks are compared.
    """
    if units.blocks is None:
        return bins_of(units.logs, len(units.tasks) if groups else 1)
    strata = np.zeros(len(units), dtype=np.intp)
    for block in np.unique(units.blocks):
        own = units.blocks == block
        tasks = len(np.unique(units.codes[own])) if groups else 1
        strata[own] = strata.max() + 1 + bins_of(units.logs[own], tasks)
    return strata
