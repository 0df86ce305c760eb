"""What each part of a model is needed for: what its absence costs, over all prompts and by task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis.tables._compared import estimated
from cortexscope.analysis.tables._lesions import LesionStep
from cortexscope.stats import max_t_paired

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["LesionEffects"]


class LesionEffects(LesionStep):
    """A row a model, part and task, and one over all prompts, whose `task` is empty.

    `bits` is by how much bits per byte rise where the part is out, `kl` the Kullback-Leibler
    divergence from the intact model's predictions, nats a token; means over prompts with their
    intervals. `p` is that of flipped signs of `bits`, `p_max_t` the same allowing for the number
    of parts of its kind that were taken out. Of `parts` parts there are as many as `looked_at` in
    the model, where the others were only estimated.
    """

    name = "lesion_effects"
    holds = "what each part is needed for: what its absence costs, over all prompts and by task"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, kind, task and part."""
        import pandas as pd

        looked_at = {(own.model, own.kind): len(own.parts) for own in self.estimated(of)}
        rows: list[dict[str, Any]] = []
        for own in self.lesioned(of):
            of.note(f"{own.model}: what its {own.kind} are needed for")
            every = looked_at.get((own.model, own.kind), 0) or len(own.parts)
            for task in (None, *dict.fromkeys(own.prompts.tasks.tolist())):
                chosen = np.full(len(own.bits), True) if task is None else own.prompts.tasks == task
                clusters = own.prompts.clusters[chosen]
                names = (own.model, own.kind, task or "")
                test = max_t_paired(
                    own.bits[chosen],
                    clusters,
                    rng=of.stream(self.name, *names),
                    permutations=of.settings.permutations,
                )
                rng = of.stream(self.name, "intervals", *names)
                for number in range(len(own.parts)):
                    bits, kl = own.bits[chosen, number], own.kl[chosen, number]
                    cells = estimated("bits", bits, clusters, rng=rng)
                    cells |= estimated("kl", kl, clusters, rng=rng, bounds=(0, None))
                    rows.append(
                        {
                            **own.place(number),
                            "task": task,
                            **cells,
                            "p": float(test.p[number]),
                            "p_max_t": float(test.p_adjusted[number]),
                            "prompts": len(set(clusters[np.isfinite(kl)])),
                            "parts": len(own.parts),
                            "looked_at": every,
                            "reason": own.reason or test.reasons[number],
                        }
                    )
        return pd.DataFrame(rows)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each model and kind of part which one is needed most."""
        table = of.table(self.name)
        for (model, kind), own in table[table["task"].isna()].groupby(
            ["model", "kind"], sort=False
        ):
            known = own[own["bits"].notna()].sort_values("bits")
            if known.empty:
                yield f"{model}: {kind} are not judged: {own['reason'].iloc[0]}."
                continue
            most = known.iloc[-1]
            clear = int((known["p_max_t"] <= 0.05).sum())
            yield (
                f"{model}: of {len(known)} {kind} taken out, {clear} change bits per byte (max-T, "
                f"5 %); most does {most['part']}, by {most['bits']:+.3g} "
                f"[{most['bits_low']:.3g}, {most['bits_high']:.3g}]."
            )
