"""How likely effects of some sizes are to be found in as many prompts as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cortexscope.analysis.tables._step import Step
from cortexscope.stats import power_of, prompts_needed

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Power"]

_EFFECTS = (0.2, 0.5, 0.8, 1.2)


class Power(Step):
    """Of two tasks, and of two models over one task and over all."""

    name = "power"
    holds = "how likely effects of some sizes are to be found, and how many prompts that takes"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a comparison and size of effect."""
        import pandas as pd

        prompts = of.read.drop_duplicates("cluster").groupby("task").size()
        rows = []
        for paired, compared, n in (
            (False, "two tasks", int(prompts.min())),
            (True, "two models over one task", int(prompts.min())),
            (True, "two models over all tasks", int(prompts.sum())),
        ):
            for effect in _EFFECTS:
                power = power_of(n, effect, paired=paired) if n > 1 else None
                needed = prompts_needed(effect, paired=paired)
                rows.append((compared, effect, n, power, needed))
        columns = ["compared", "effect_sd", "prompts", "power", "prompts_for_80_percent"]
        return pd.DataFrame(rows, columns=columns)
