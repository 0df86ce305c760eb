"""Parts that are needed for one task more than for the others, judged on other prompts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cortexscope.analysis._verdict import CHANCE
from cortexscope.analysis.tables._lesions import EFFECTS, Lesioned, LesionStep
from cortexscope.stats import selective_features

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["LesionSpecific", "specific"]


class LesionSpecific(LesionStep):
    """Chosen on one half of the prompts and judged on the other: `stats.selective_features`.

    A row a model, kind of part, effect (`surprisal`, the change of bits per byte, or `kl`), form
    (raw, or at equal lengths), task and part that was chosen; `g` is Hedges g of the effect on the
    task's prompts against that on all others, `mean` the effect on the task's prompts.
    """

    name = "lesion_specific"
    holds = "the parts that are needed for one task more than for others, judged on other prompts"

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model, kind, effect, form, task and part that was chosen."""
        import pandas as pd

        tables = [
            self._of(of, own, effect)
            for own in self.lesioned(of)
            for effect in EFFECTS
            if own.reason is None and len(set(own.prompts.tasks.tolist())) > 1
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _of(self, of: Analysis, own: Lesioned, effect: str) -> pd.DataFrame:
        values, prompts = own.effect(effect), own.prompts
        usable = np.isfinite(values).all(axis=1) & np.isfinite(prompts.lengths)
        found = selective_features(
            [values[usable]],
            prompts.tasks[usable],
            prompts.clusters[usable],
            n_tokens=prompts.lengths[usable],
            rng=of.stream(self.name, own.model, own.kind, effect),
        ).chosen
        place = found["index"].to_numpy(dtype=np.float64, na_value=np.nan)
        parts = own.parts.reindex(np.where(np.isfinite(place), place, -1).astype(int))
        names = ["part", "stack", "layer", "index"]
        found = found.drop(columns=["layer", "index"]).assign(
            **{name: parts[name].array for name in names}
        )
        found["mean"] = [
            float(values[usable & (prompts.tasks == task), int(number)].mean())
            if np.isfinite(number)
            else np.nan
            for number, task in zip(place, found["task"], strict=True)
        ]
        front = {"model": own.model, "kind": own.kind, "effect": effect}
        rest = ["values", "task", "rank", *names, "mean"]
        others = [name for name in found if name not in rest]
        return found.assign(**front)[[*front, *rest, *others]]

    def absent(self, of: Analysis) -> str:
        """Return why no parts are chosen."""
        if self.lesioned(of) and all(own.reason is None for own in self.lesioned(of)):
            return "there is one task"
        return super().absent(of)

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield which parts are needed for one task more than for others."""
        for row in specific(of.table(self.name), "surprisal").to_dict("records"):
            yield (
                f"{row['model']}: {row['part']} is needed more for {row['task']} than for other "
                f"tasks: Hedges g {row['g']:.2f} [{row['low']:.2f}, {row['high']:.2f}] on prompts "
                f"that it was not chosen on, p = {row['p_bh']:.2g} (Benjamini and Hochberg)."
            )


def specific(table: pd.DataFrame, effect: str) -> pd.DataFrame:
    """Return the parts that are needed for a task more than for others, beyond chance and length.

    A part counts where its absence harms the task, and harms it more than others on the prompts
    that it was not chosen on: at equal lengths where tasks can be compared so, else as measured.

    Args:
        table: `lesion_specific`.
        effect: of `EFFECTS`.
    """
    if table.empty:
        return table
    own = table[table["effect"] == effect]
    keys = ["model", "kind"]
    tested = own[(own["values"] == "adjusted") & own["p"].notna()]
    at_equal = set(map(tuple, tested[keys].drop_duplicates().to_numpy().tolist()))
    form = ["adjusted" if key in at_equal else "raw" for key in map(tuple, own[keys].to_numpy())]
    own = own[own["values"].to_numpy() == np.array(form, dtype=object)]
    clear = (own["p_bh"] <= CHANCE) & (own["g"] > 0) & (own["chosen_g"] > 0) & (own["mean"] > 0)
    found: pd.DataFrame = own[clear].sort_values("g", ascending=False, kind="stable")
    return found
