"""Figures of tasks: each is recomputed, in the digits quoted."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check
from cortexscope.audit._words import counted, spoken
from cortexscope.audit.kinds._compared import compared, figures_agree
from cortexscope.audit.kinds._kind import Data, OfMetric

__all__ = ["TaskFigures"]


class MeanAndSd(Data):
    """Over the models."""

    mean: str
    sd: str
    """What stands behind the plus-minus sign."""


class TaskFigures(OfMetric):
    """Figures of tasks."""

    kind: Literal["task_figures"]
    values: dict[str, MeanAndSd]

    def judge(self, evidence: Evidence) -> Check:
        """Recompute means and standard deviations of tasks, over models."""
        if evidence.cells is None:
            return evidence.says(None, "No other claim says what they are made of.")
        quantities, errors = [], []
        divisor = "n - 1" if evidence.ddof else "n"
        for task, claimed in self.values.items():
            cells = evidence.cells.get(self.metric, {})
            own = [value for (_, name), value in cells.items() if name == task]
            mean = evidence.tasks.get(self.metric, {}).get(task)
            sd = float(np.std(own, ddof=evidence.ddof)) if len(own) > evidence.ddof else math.nan
            n = f"n = {counted(len(own), 'model')}"
            for what, text, known, note in (
                ("mean", claimed.mean, mean, n),
                ("sd", claimed.sd, Known(sd), f"{n}, divided by {divisor}"),
            ):
                name = f"{what} of {self.spoken}, {spoken(task)}"
                quantities.append(compared(name, text, known, metric=self.metric, note=note))
            if not math.isnan(sd):
                errors.append(f"{sd / math.sqrt(len(own)):.4g} ({spoken(task)})")
        said = (
            "The README does not say what its ± is: the figures are standard deviations over the "
            f"models, divided by {divisor}. The standard errors of the means are "
            f"{', '.join(errors)}."
        )
        return figures_agree(evidence, quantities, caveats=(said,))
