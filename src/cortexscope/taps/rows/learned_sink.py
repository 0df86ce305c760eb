"""The probability that each row puts on a sink that is no key."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from cortexscope.taps._kernel_rows import KernelRows
from cortexscope.taps._statistics import Outcomes, RowStatistic

__all__ = ["LearnedSink"]


class LearnedSink(RowStatistic):
    """The probability that each row puts on a sink that is no key."""

    name = "learned_sink"
    text = "the probability of a learned sink"

    def of_outcomes(self, rows: Outcomes) -> Float[Tensor, "prompt head row"] | None:
        """Read it off, where there is a sink."""
        return rows.probabilities[..., -1].clone() if rows.sink else None

    def of_kernel(self, rows: KernelRows) -> None:
        """Return None: no kernel has sinks."""
