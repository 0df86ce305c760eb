"""Statistics over measured values: numpy and scipy, never torch."""

from cortexscope.stats._correlation import Correlation, pearson
from cortexscope.stats._mean import Mean, mean_of

__all__ = ["Correlation", "Mean", "mean_of", "pearson"]
