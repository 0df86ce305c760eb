"""What every kind of claim is: data that says what is claimed, and judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check

if TYPE_CHECKING:
    from cortexscope.audit._run_values import RunValues

__all__ = ["Data", "Kind", "OfMetric"]


class Data(BaseModel):
    """A part of a claim."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kind(Data):
    """A kind of claim; `kind` tells them apart in claims.yaml.

    A run is judged in two parts, the models that are the study's and the others. A claim on named
    models is judged in those of them that the run has; any other needs all of the study's models,
    or speaks of whether it generalised.
    """

    of_named_models: ClassVar[bool] = False

    def judge(self, evidence: Evidence) -> Check:
        """Return what the study's files say of it, or the figures that other claims quote."""
        raise NotImplementedError

    def in_run(self, values: RunValues, study: Evidence) -> Check | None:
        """Return what a run says of it; None where no run can say anything.

        Args:
            values: the run.
            study: the study's own figures, for claims on what they can be.
        """
        return None

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence with the figures taken as they are meant."""
        return evidence

    def seen_in_run(self, values: RunValues) -> RunValues:
        """Return a run's values taken as they are meant."""
        return values

    def decided_by(self, check: Check) -> bool:
        """Return whether a verdict in some of the study's models decides the claim."""
        return self.of_named_models


class OfMetric(Kind):
    """A claim on one column."""

    metric: str
    magnitude: bool = False
    """Whether its figures are taken without their signs."""

    def seen(self, evidence: Evidence) -> Evidence:
        """Return the evidence, with magnitudes where these are meant."""
        return evidence.by_magnitude(self.metric) if self.magnitude else evidence

    def seen_in_run(self, values: RunValues) -> RunValues:
        """Return a run's values, with magnitudes where these are meant."""
        return values.by_magnitude(self.metric) if self.magnitude else values
