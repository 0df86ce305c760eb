"""What length may do to a value: a smooth curve in the logarithm of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortexscope.errors import UsageError

__all__ = ["LengthCurve"]

_OUTER = 0.05
_PROMPTS_PER_COLUMN = 8
_MOST_COLUMNS = 6


@dataclass(frozen=True, slots=True, eq=False)
class LengthCurve:
    """A natural cubic spline in log tokens: cubic between its knots, a straight line outside."""

    knots: NDArray[np.float64]
    """Logarithms of token counts, rising; none where all lengths are one."""

    @classmethod
    def over(cls, n_tokens: ArrayLike, *, df: int | None = None) -> LengthCurve:
        """Return the curve whose knots lie at equally spaced quantiles of the lengths.

        The outermost lie at the quantiles 0.05 and 0.95. Where there are fewer distinct lengths
        than knots, those lengths are the knots.

        Args:
            n_tokens: of each prompt, above 0.
            df: number of columns; None takes one for every 8 prompts, at least 1 and at most 6.

        Raises:
            UsageError: if a length is not a positive number, or `df` is below 1.
        """
        return cls.over_logs(_logarithms(n_tokens), df=df)

    @classmethod
    def over_logs(cls, logs: NDArray[np.float64], *, df: int | None = None) -> LengthCurve:
        """Return the same for lengths given as natural logarithms, or for any numbers."""
        if df is None:
            df = int(np.clip(len(logs) // _PROMPTS_PER_COLUMN, 1, _MOST_COLUMNS))
        if df < 1:
            raise UsageError(f"The spline in log tokens needs at least 1 column, and df is {df}.")
        distinct = np.unique(logs)
        if len(distinct) < 2:
            return cls(np.empty(0))
        if len(distinct) <= df + 1:
            return cls(distinct)
        knots = np.unique(np.quantile(logs, np.linspace(_OUTER, 1.0 - _OUTER, df + 1)))
        return cls(knots if len(knots) > 1 else distinct[[0, -1]])

    def columns(self, n_tokens: ArrayLike) -> NDArray[np.float64]:
        """Return the curve's basis at the given lengths, [prompt, column], without a constant."""
        return self.columns_of_logs(_logarithms(n_tokens))

    def columns_of_logs(self, logs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same for lengths given as natural logarithms."""
        if len(self.knots) < 2:
            return np.empty((len(logs), 0))
        # From 0 to 1 between the outer knots, so that no column dwarfs another.
        first, last = self.knots[0], self.knots[-1]
        x, knots = (logs - first) / (last - first), (self.knots - first) / (last - first)
        beyond = np.maximum(x[:, None] - knots, 0.0)
        # A tenth of the time that raising to the third power takes.
        cubes = beyond * beyond * beyond
        inner, before_last = cubes[:, :-2], cubes[:, -2:-1]
        slope = (1.0 - knots[:-2]) / (1.0 - knots[-2])
        bent = inner - before_last * slope + cubes[:, -1:] * (slope - 1.0)
        return np.column_stack([x, bent])


def _logarithms(n_tokens: ArrayLike) -> NDArray[np.float64]:
    lengths = np.asarray(n_tokens, dtype=np.float64).ravel()
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise UsageError("Every prompt must have at least one token; n_tokens holds other values.")
    return np.log(lengths)
