"""Linear mixed models of each metric, with and without length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import STANDARDISED, with_units
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import mixed_model

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Mixed"]


class Mixed(Step):
    """The mixed model, its Wald tests and assumptions."""

    name = "mixed"
    holds = "linear mixed models with and without length, and their assumptions"
    of_focus = True

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a metric, scope and form (raw, adjusted)."""
        import pandas as pd

        rows = []
        for metric, scope, frame in with_units(of.close):
            found = mixed_model(frame, standardised=scope == STANDARDISED)
            for form, fit in (("raw", found.raw), ("adjusted", found.adjusted)):
                rows.append({"metric": metric, "scope": scope, "form": form, **_flat(asdict(fit))})
        return pd.DataFrame(rows)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cells |= _flat(value, f"{before}{name}_")
        else:
            cells[f"{before}{name}"] = value
    return cells
