"""The heads that tell each task from the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from cortexscope.analysis.tables._place import Place, PlaceStep
from cortexscope.stats import selective

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Selective", "most_selective"]


class Selective(PlaceStep):
    """Chosen on one half of the prompts and judged on the other: `stats.selective`."""

    name = "selective"
    holds = "the heads that tell each task from the others, judged on other prompts"
    heads = True

    def of_place(self, of: Analysis, place: Place) -> pd.DataFrame:
        """Return a row a task, form and head that was chosen."""
        rng = of.stream(self.name, place.metric, place.model)
        return selective(place.values, rng=rng).chosen

    def absent(self, of: Analysis) -> str:
        """Return why no heads are chosen."""
        return of.one_task or "no metric that was looked at closely has values of heads"

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield the most selective head of each model."""
        return most_selective(of.table(self.name), "head", "head")


def most_selective(
    table: pd.DataFrame, part: str, place: Literal["head", "index"]
) -> Iterator[str]:
    """Yield the part of each model with the largest effect, and what is left on other prompts."""
    known = table[table["p"].notna()]
    for model, own in known.groupby("model", sort=False):
        # At equal lengths wherever tasks can be compared so.
        adjusted = own[own["values"] == "adjusted"]
        form, rows = ("raw", own) if adjusted.empty else ("at equal lengths", adjusted)
        best = max(rows.to_dict("records"), key=lambda row: abs(row["chosen_g"]))
        of = f" ({best['metric']})" if "metric" in best else ""
        yield (
            f"{model}: the most selective {part} on half of the prompts is {best[place]} of layer "
            f"{best['layer']}, for {best['task']}{of}; on the other half Hedges g is "
            f"{best['g']:.2f} [{best['low']:.2f}, {best['high']:.2f}] {form}, "
            f"p = {best['p_bh']:.2g} (Benjamini and Hochberg)."
        )
