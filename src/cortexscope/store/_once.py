"""Measurements of which what everybody asks for is read once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cortexscope.store._measurements import Measurements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MeasuredOnce"]


class MeasuredOnce(Measurements):
    """Measurements whose values by prompt, and what is undefined, are kept when they are read.

    For a report, whose statistics, tables, figures and claims each ask for these. Metrics that are
    asked for together are read together.
    """

    def __init__(self, measured: Measurements) -> None:
        super().__init__(measured.runs)
        self._prompts: dict[str, pd.DataFrame] = {}
        self._missing: dict[str, pd.DataFrame] = {}

    def by_prompt(
        self, metrics: Collection[str] | None = None, *, controls: bool = False
    ) -> pd.DataFrame:
        """Return the same as `Measurements.by_prompt`, metric after metric."""

        def read(names: Collection[str]) -> pd.DataFrame:
            return super(MeasuredOnce, self).by_prompt(names, controls=True)

        found = self._of(self._prompts, metrics, read)
        return found if controls else self._without_controls(found)

    def undefined(self, metrics: Collection[str] | None = None) -> pd.DataFrame:
        """Return the same as `Measurements.undefined`, metric after metric."""
        return self._of(self._missing, metrics, super().undefined)

    def _of(
        self,
        known: dict[str, pd.DataFrame],
        metrics: Collection[str] | None,
        read: Callable[[Collection[str]], pd.DataFrame],
    ) -> pd.DataFrame:
        import pandas as pd

        names = [name for name in self.metrics if metrics is None or name in metrics]
        new = [name for name in names if name not in known]
        if new:
            found = read(new)
            none = found.iloc[:0]
            own = dict(iter(found.groupby("metric", sort=False)))
            # Of millions of rows no copy more than needed.
            del found
            known |= {name: own.get(name, none) for name in new}
        parts = [known[name] for name in names]
        return pd.concat(parts, ignore_index=True) if parts else read(())
