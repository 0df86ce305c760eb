"""The statistics that a report shows: those of `cortexscope stats`, to the last digit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from cortexscope.errors import UsageError
from cortexscope.store import Measurements

if TYPE_CHECKING:
    import pandas as pd

    from cortexscope.analysis import Settings

__all__ = ["Findings"]


class Findings:
    """Tables of `cortexscope.analysis`, each made when it is asked for, and once.

    They are of the same prompts, with the seed and the numbers of draws of the tables in the run's
    `stats/`, so that one test has one p-value in a run folder.
    """

    def __init__(self, measured: Measurements) -> None:
        self._measured = measured
        self._made: dict[tuple[str, ...], pd.DataFrame] = {}

    @cached_property
    def settings(self) -> Settings:
        """The seed and the numbers of draws."""
        from cortexscope.analysis import settings_of

        return settings_of(self._measured.runs[0])

    def effects(self, metrics: Sequence[str]) -> pd.DataFrame:
        """Return `effects` of these metrics; empty where none has values of prompts."""
        from cortexscope.analysis import effects

        own = self.settings
        return self._once(
            ("effects", *metrics),
            lambda values: effects(values, seed=own.seed, permutations=own.permutations),
        )

    def leaders(self, metric: str) -> pd.DataFrame:
        """Return `leaders` of a metric; empty where it has no values of prompts."""
        from cortexscope.analysis import leaders

        return self._once(("leaders", metric), leaders)

    def means(self, metric: str) -> pd.DataFrame:
        """Return `means_by_task` of a metric; empty where it has no values of prompts."""
        from cortexscope.analysis import means_by_task

        return self._once(("means", metric), means_by_task)

    def _once(
        self, key: tuple[str, ...], make: Callable[[pd.DataFrame], pd.DataFrame]
    ) -> pd.DataFrame:
        if key not in self._made:
            values = self._values(key[1:])
            self._made[key] = make(values) if len(values) else values
        return self._made[key]

    def _values(self, metrics: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        from cortexscope.analysis import metrics_with_values, prompt_values

        names = metrics_with_values(self._measured, metrics=metrics)
        try:
            return prompt_values(self._measured, names) if names else pd.DataFrame()
        except UsageError:
            # A run that is not finished may have read no prompt with any of them.
            return pd.DataFrame()
