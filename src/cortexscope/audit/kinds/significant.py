"""The difference between two architectures is significant, over models."""

from __future__ import annotations

import itertools
from statistics import fmean
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check, Quantity, Verdict
from cortexscope.audit._words import counted
from cortexscope.audit.kinds._kind import OfMetric

__all__ = ["Significant"]

_ALPHA = 0.05


class Significant(OfMetric):
    """That difference is more than chance would deal out."""

    kind: Literal["significant"]
    of: str
    to: str
    of_runs: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Test the difference, by exchanging architectures between models in every way."""
        groups = [evidence.models_of(self.metric, kind) for kind in (self.of, self.to)]
        if not all(groups):
            return evidence.says(None, f"No {self.of if not groups[0] else self.to} is listed.")
        values = [evidence.models[self.metric][name].value for group in groups for name in group]
        n = len(groups[0])
        difference = fmean(values[:n]) - fmean(values[n:])
        ways = list(itertools.combinations(range(len(values)), n))
        as_large = sum(_difference(values, chosen) >= abs(difference) - 1e-12 for chosen in ways)
        # With two groups of one size the mirror image of a way is as extreme.
        p, least = as_large / len(ways), (2 if 2 * n == len(values) else 1) / len(ways)
        quantities = (
            self.number(f"difference of {self.spoken}, {self.of}s less {self.to}s", difference),
            Quantity("p, exact, over models", None, p, note=f"{len(ways)} ways to deal them out"),
            Quantity("smallest p that so many models can give", None, least),
        )
        counts = f"{counted(n, self.of)} and {counted(len(values) - n, self.to)}"
        if least > _ALPHA:
            said = f"With {counts} no test over models can find it: the smallest p possible is "
            return evidence.says(None, f"{said}{least:.3g}, and here it is {p:.3g}.", *quantities)
        verdict: Verdict = "holds" if p <= _ALPHA else "holds on average only"
        if difference <= 0:
            verdict = "contradicted"
        return evidence.says(verdict, f"p = {p:.3g}, exact, over {counts}.", *quantities)


def _difference(values: list[float], chosen: tuple[int, ...]) -> float:
    left = [value for place, value in enumerate(values) if place not in chosen]
    return abs(fmean(values[place] for place in chosen) - fmean(left))
