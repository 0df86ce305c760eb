"""The difference between two architectures is significant, over models."""

from __future__ import annotations

from statistics import fmean
from typing import ClassVar, Literal

import numpy as np

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Significant"]

_ALPHA = 0.05
_WAYS = 100_000
"""More of them, as of 20 models, are not gone through: as many are drawn."""
_ROUNDING = 1e-12


class Significant(OfMetric):
    """That difference is more than chance would deal out."""

    kind: Literal["significant"]
    of: str
    to: str
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Test the difference, by exchanging architectures between models in every way.

        Where that are too many ways, by a random choice of them.
        """
        from cortexscope.stats import distinct, relabellings

        groups = [evidence.models_of(self.metric, kind) for kind in (self.of, self.to)]
        if not all(groups):
            return evidence.says(None, f"No {self.of if not groups[0] else self.to} is listed.")
        values = [evidence.models[self.metric][name].value for group in groups for name in group]
        n, others = map(len, groups)
        difference = fmean(values[:n]) - fmean(values[n:])
        ways = relabellings(n, others, rng=np.random.default_rng(0), permutations=_WAYS)
        # From about 0, so that sums round little.
        away = np.array(values) - fmean(values)
        inside = ways.rows @ away
        dealt = np.abs(inside / n - (away.sum() - inside) / others)
        limit = abs(difference) - _ROUNDING * max(1.0, float(np.abs(away).max()))
        p = float(ways.p_values(int(np.count_nonzero(dealt >= limit))))
        least = float(ways.least(1 / distinct(n, others)))
        exact = "exact, " if ways.exact else ""
        dealt_out = f"{len(ways.rows)} ways to deal them out"
        quantities = (
            self.number(f"difference of {self.spoken}, {self.of}s less {self.to}s", difference),
            Quantity(
                f"p, {exact}over models",
                None,
                p,
                note=dealt_out if ways.exact else f"{dealt_out}, drawn",
            ),
            Quantity("smallest p that so many models can give", None, least),
        )
        counts = f"{counted(n, self.of)} and {counted(others, self.to)}"
        if least > _ALPHA:
            said = f"With {counts} no test over models can find it: the smallest p possible is "
            return evidence.says(None, f"{said}{least:.3g}, and here it is {p:.3g}.", *quantities)
        verdict: Verdict = "holds" if p <= _ALPHA else "holds on average only"
        if difference <= 0:
            verdict = "contradicted"
        return evidence.says(verdict, f"p = {p:.3g}, {exact}over {counts}.", *quantities)
