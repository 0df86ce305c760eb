"""The study's models, with the values of its Table 2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cortexscope.audit._evidence import parameters_of
from cortexscope.audit._given import read_given
from cortexscope.audit._rounding import is_number
from cortexscope.errors import UsageError
from cortexscope.metrics import STUDY

__all__ = ["StudyModel", "published_models"]


class StudyModel(NamedTuple):
    """A model as the study published it."""

    name: str
    parameters: float
    values: dict[str, float]
    """By metric, of those that the study has a value of."""


def published_models(paths: Sequence[Path]) -> tuple[StudyModel, ...]:
    """Return the models of the study's Table 2, in its order.

    Args:
        paths: as `audit_study` takes them.

    Raises:
        UsageError: if a file cannot be read or is none of the study's, or none holds Table 2.
    """
    published = read_given(paths).published
    table = None if published is None else published.table(2)
    if table is None:
        raise UsageError(
            f"None of {', '.join(map(str, paths))} holds the study's Table 2, which has its "
            "models; give the text file of Tables 1 to 6, or a folder with it."
        )
    models = []
    for row in table.rows:
        size = parameters_of(row.cells["Parameters"])
        values = {
            metric: float(row.cells[column])
            for column, metric in STUDY.items()
            if is_number(row.cells.get(column, ""))
        }
        if math.isfinite(size):
            models.append(StudyModel(row.cells["Model"], size, values))
    return tuple(models)
