"""What pairs of models make of the same prompts: files beside a run's measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from cortexscope.store._layout import PAIRED
from cortexscope.store._schema import DRIFTS, PAIRS
from cortexscope.store._side_files import SidePlan

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PairPlan", "Pairs"]


@dataclass(frozen=True, slots=True)
class PairPlan(SidePlan):
    """Which two models are compared, and on what."""

    folder: ClassVar = PAIRED
    verb: ClassVar = "compare"
    about: ClassVar = b"cortexscope.pair"
    schemas: ClassVar = {"predictions": PAIRS, "drifts": DRIFTS}

    base: str
    """The label of the one that the other is compared with."""
    model: str
    """The label of the other."""
    digest: str
    """Of all that decides the numbers."""
    shards: int
    """Files of each table, when all are there."""

    @property
    def named(self) -> tuple[str, ...]:
        """The two models."""
        return self.base, self.model

    @property
    def tables(self) -> tuple[str, ...]:
        """Both of a shard."""
        return tuple(self.schemas)

    @property
    def parts(self) -> int:
        """The shards."""
        return self.shards


class Pairs(NamedTuple):
    """What is there of pairs of models, those left out of which shards are missing."""

    predictions: pd.DataFrame
    """The columns of `PAIRS`."""
    drifts: pd.DataFrame
    """The columns of `DRIFTS`."""
