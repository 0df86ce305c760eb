"""By how much any metric changes where a part of a model is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis._verdict import CHANCE
from cortexscope.analysis.tables._compared import estimated
from cortexscope.analysis.tables._lesions import LesionStep
from cortexscope.stats import max_t_paired

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["LesionValues"]


class LesionValues(LesionStep):
    """A row a model, metric, part and task, and one over all prompts, whose `task` is empty.

    `change` is by how much a prompt's value rises where the part is out, mean over prompts with its
    interval, over those layers and heads that have a value with the part and without it; `base` is
    the mean of the intact model there. `p` is that of flipped signs, `p_max_t` the same allowing
    for the number of parts of a kind that were taken out.
    """

    name = "lesion_values"
    holds = "by how much a metric changes without each part, over all prompts and by task"

    def concerns(self, of: Analysis) -> bool:
        """Return whether a metric was measured without parts."""
        return super().concerns(of) and bool(self.measured(of))

    def absent(self, of: Analysis) -> str:
        """Return why there is nothing."""
        return (
            "no metric was measured without parts of a model; `cortexscope lesion --loss METRIC` "
            "does that"
        )

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, metric, kind, task and part."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for own in self.measured(of):
            of.note(f"{own.model}: what becomes of {own.metric} without its {own.kind}")
            for task in (None, *dict.fromkeys(own.prompts.tasks.tolist())):
                chosen = np.full(len(own.base), True) if task is None else own.prompts.tasks == task
                clusters = own.prompts.clusters[chosen]
                change = (own.values - own.base)[chosen]
                names = (own.model, own.metric, own.kind, task or "")
                rng = of.stream(self.name, *names)
                test = max_t_paired(
                    change, clusters, rng=rng, permutations=of.settings.permutations
                )
                for number in range(len(own.parts)):
                    known = np.isfinite(change[:, number])
                    base = own.base[chosen][known, number]
                    rows.append(
                        {
                            **own.place(number),
                            "metric": own.metric,
                            "task": task,
                            "base": float(base.mean()) if len(base) else np.nan,
                            **estimated("change", change[:, number], clusters, rng=rng),
                            "p": float(test.p[number]),
                            "p_max_t": float(test.p_adjusted[number]),
                            "prompts": len({*clusters[known].tolist()}),
                            "reason": own.reasons[number] if not known.any() else None,
                        }
                    )
        return pd.DataFrame(rows)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each model, metric and kind of part which one changes it most."""
        table = of.table(self.name)
        whole = table[table["task"].isna()]
        for (model, metric, kind), own in whole.groupby(["model", "metric", "kind"], sort=False):
            known = own[own["change"].notna()]
            if known.empty:
                yield f"{model}: {kind} are not judged by {metric}: {own['reason'].iloc[0]}."
                continue
            most = known.iloc[int(known["change"].abs().argmax())]
            clear = int((known["p_max_t"] <= CHANCE).sum())
            yield (
                f"{model}: of {len(known)} {kind} taken out, {clear} change {metric} (max-T, 5 %); "
                f"most does {most['part']}, by {most['change']:+.3g} "
                f"[{most['change_low']:.3g}, {most['change_high']:.3g}]."
            )
