"""How each metric goes with a number of the prompts: raw, and with length controlled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis._scopes import by_scope
from cortexscope.analysis._verdict import told_of_number
from cortexscope.analysis.tables._families import add_families, prompts_of
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import NumberEffect, Remembered, Slope, number_effect
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Slopes"]

_CURVE = ("f", "df", "df_residual", "omega_squared", "omega_squared_partial", "p")
_ORDER = (
    "metric", "scope", "form", "rho", "low", "high", "p", "p_max_t", "p_least", "family", "n",
    "left_out", *(f"curve_{name}" for name in _CURVE), "method", "reason", "caution",
    "curve_reason",
)  # fmt: skip


class Slopes(Step):
    """As `stats.number_effect` gives them, of all metrics.

    `rho` is Spearman's, of ranks; `curve_omega_squared` is the share of all variance that a natural
    cubic spline in the number explains, which need not rise or fall throughout. `p_max_t` counts
    all metrics, as in `effects`.
    """

    name = "slopes"
    holds = (
        "how each metric goes with a number of the prompts: rank correlation and spline, raw and "
        "with length controlled"
    )
    kinds = ("number",)
    apart = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope and form (raw, adjusted); NaN where undefined."""
        import pandas as pd

        of.note(f"what goes with {of.groups.name}")
        shuffled = Remembered(of.settings.seed)

        def of_metric(own: tuple[str, str, pd.DataFrame]) -> list[dict[str, Any]]:
            metric, scope, frame = own
            found = number_effect(
                frame,
                rng=of.stream(self.name, metric, scope),
                permutations=of.settings.permutations,
                resamples=of.settings.resamples,
                shuffled=shuffled,
            )
            return [
                _row(metric, scope, form, slope, found)
                for form, slope in (("raw", found.raw), ("adjusted", found.adjusted))
            ]

        rows = list(chain.from_iterable(threaded(of_metric, list(by_scope(of.read)))))
        order = {metric: place for place, metric in enumerate(of.metrics)}
        rows.sort(key=lambda row: order[row["metric"]])
        add_families(rows, statistic="size", of=("scope", "form"))
        numbers = ("rho", "low", "high", "p", *(f"curve_{name}" for name in _CURVE))
        table = pd.DataFrame(rows)[list(_ORDER)].astype(dict.fromkeys(numbers, "float64"))
        # As objects, texts that are missing stay None.
        return table.astype(dict.fromkeys(("reason", "caution", "curve_reason"), object))

    def absent(self, of: Analysis) -> str:
        """Return why there is no slope."""
        return "no metric has a value"

    def says(self, of: Analysis) -> Iterator[str]:
        """Yield of each metric in focus whether it goes with the number, beyond length too."""
        table = of.table(self.name)
        table = table[table["metric"].isin(of.focus)]
        for (metric, scope), own in table.groupby(["metric", "scope"], sort=False):
            rows = {str(row["form"]): row for row in own.to_dict("records")}
            yield f"{metric}, {scope}: {told_of_number(of.groups, rows)}"


def _row(metric: str, scope: str, form: str, slope: Slope, found: NumberEffect) -> dict[str, Any]:
    rho, curve = slope.rho, slope.curve
    return {
        "metric": metric,
        "scope": scope,
        "form": form,
        "rho": rho.value,
        "low": rho.low,
        "high": rho.high,
        "p": slope.p,
        "family": f"{form} slopes in {scope}, all metrics",
        "n": found.n,
        "left_out": found.left_out,
        "curve_f": curve.statistic,
        "curve_df": curve.df,
        "curve_df_residual": curve.df_residual,
        "curve_omega_squared": curve.omega_squared,
        "curve_omega_squared_partial": curve.omega_squared_partial,
        "curve_p": curve.p,
        "method": slope.method,
        "reason": slope.reason or rho.reason,
        "caution": rho.caution,
        "curve_reason": curve.reason,
        "prompts": prompts_of(found.clusters),
        "size": np.nan if rho.value is None else abs(rho.value),
        "permuted": slope.permuted,
    }
