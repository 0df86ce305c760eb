"""What a user may set about metrics."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MetricOptions"]


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """Options of all metrics; part of a run's settings."""

    near_zero: float = 0.01
    """Below this |h| an entry counts as near zero, in the units of the hidden states."""
    sink_threshold: float = 0.3
    """A head is a sink where its mean attention on the first token exceeds this."""
    window: int = 16
    """How many of the nearest tokens count as local, the own one included."""
