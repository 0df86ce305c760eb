"""What models predict without a part of them: files beside a run's measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from cortexscope.store._layout import LESIONED
from cortexscope.store._schema import ESTIMATES, LESION_VALUES, LESIONS
from cortexscope.store._side_files import SidePlan

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LesionPlan", "Lesions"]


@dataclass(frozen=True, slots=True)
class LesionPlan(SidePlan):
    """What is taken out of a model, and on what that is measured."""

    folder: ClassVar = LESIONED
    verb: ClassVar = "lesion"
    about: ClassVar = b"cortexscope.lesion"
    schemas: ClassVar = {"effects": LESIONS, "estimates": ESTIMATES, "values": LESION_VALUES}

    model: str
    """Its label."""
    kind: str
    """Of the parts; of values, with the metric."""
    what: Literal["effects", "estimates", "values"]
    """Whether they are taken out, all are estimated, or a metric is measured without them."""
    digest: str
    """Of all that decides the numbers."""
    batches: int
    """Files, when all are there."""

    @property
    def named(self) -> tuple[str, ...]:
        """The model and the kind of its parts."""
        return self.model, self.kind

    @property
    def tables(self) -> tuple[str, ...]:
        """The one that it is of."""
        return (self.what,)

    @property
    def parts(self) -> int:
        """The batches."""
        return self.batches


class Lesions(NamedTuple):
    """What is there of models without parts of them, whole kinds of parts alone."""

    effects: pd.DataFrame
    """The columns of `LESIONS`."""
    estimates: pd.DataFrame
    """The columns of `ESTIMATES`."""
    values: pd.DataFrame
    """The columns of `LESION_VALUES`."""
