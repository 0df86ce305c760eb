"""Linear mixed models of each metric, with and without length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from cortexscope.analysis._scopes import STANDARDISED, with_units
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import mixed_model
from cortexscope.threads import threaded

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

        found = threaded(lambda own: _rows(*own), list(with_units(of.close)))
        return pd.DataFrame(chain.from_iterable(found))


def _rows(metric: str, scope: str, frame: pd.DataFrame) -> list[dict[str, Any]]:
    found = mixed_model(frame, standardised=scope == STANDARDISED)
    return [
        {"metric": metric, "scope": scope, "form": form, **_flat(asdict(fit))}
        for form, fit in (("raw", found.raw), ("adjusted", found.adjusted))
    ]


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cells |= _flat(value, f"{before}{name}_")
        else:
            cells[f"{before}{name}"] = value
    return cells
