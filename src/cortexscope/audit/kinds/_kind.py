"""What every kind of claim is: data that says what is claimed, and judges it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import metric_unit, spoken

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["Data", "Kind", "OfMetric"]


class Data(BaseModel):
    """A part of a claim."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(Data):
    """A kind of claim; `kind` tells them apart in claims.yaml.

    It judges once, over whatever evidence there is. A run is two: the models that are the study's,
    and the others. A claim on named models is judged in those of them that the run has; any other
    needs all of the study's models, or speaks of whether it generalised.
    """

    of_runs: ClassVar[bool] = False
    """Whether a run can say anything of it."""
    of_named_models: ClassVar[bool] = False

    def judge(self, evidence: Evidence) -> Check:
        """Return what a source says of it."""
        raise NotImplementedError

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence with the figures taken as they are meant."""
        return evidence

    def lacking(self, evidence: Evidence) -> str:
        """Return what a run lacks to be asked, in a sentence; empty where it lacks nothing."""
        return ""

    def asked_of(self, run: RunValues) -> Mapping[str, str]:
        """Return the study's models that a run can say it of: its labels by the study's."""
        return run.of_study()

    def decided_by(self, check: Check) -> bool:
        """Return whether a verdict in some of the study's models decides the claim."""
        return self.of_named_models


class OfMetric(Kind):
    """A claim on one column."""

    metric: str
    magnitude: bool = False
    """Whether its figures are taken without their signs."""

    @property
    def spoken(self) -> str:
        """The column in words."""
        return spoken(self.metric)

    def number(self, name: str, value: float, note: str = "") -> Quantity:
        """Return a number of the column that is not claimed."""
        return Quantity(name, None, value, note=note, unit=metric_unit(self.metric))

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence, with magnitudes where these are meant."""
        return evidence.by_magnitude(self.metric) if self.magnitude else evidence

    def asked_of(self, run: RunValues) -> Mapping[str, str]:
        """Return the study's models that have a value of the column in a run."""
        return run.of_study(self.metric)

    def lacking(self, evidence: Evidence) -> str:
        """Return why a run has no value of the column."""
        run = evidence.run
        return run.without(self.metric) if run and run.of(self.metric) is None else ""
