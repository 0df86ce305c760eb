"""What a user may set about metrics."""

from __future__ import annotations

from dataclasses import dataclass, fields

from cortexscope.errors import UsageError

__all__ = ["MetricOptions"]


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """Options of all metrics; part of a run's settings.

    Raises:
        UsageError: if one is not above zero.
    """

    near_zero: float = 0.01
    """Below this |h| an entry counts as near zero, in the units of the hidden states."""
    sink_threshold: float = 0.3
    """A head is a sink where its mean attention on the first token exceeds this."""
    window: int = 16
    """How many of the nearest tokens count as local, the own one included."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise UsageError(f"{field.name} is {value}; it must be above zero.")
