"""Statistics over measured values: numpy and scipy, never torch."""

from cortexscope.stats._correlation import Correlation, pearson

__all__ = ["Correlation", "pearson"]
