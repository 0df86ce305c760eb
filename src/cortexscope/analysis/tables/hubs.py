"""Which regions of the brain view rise and fall together over prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexscope.analysis._regions import REGIONS, Found, regions_found
from cortexscope.analysis.tables._step import Step
from cortexscope.stats import (
    Remembered,
    Shuffler,
    adjusted_values,
    permuted_sums,
    resampled_rank_correlations,
)
from cortexscope.threads import threaded

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cortexscope.analysis._analysis import Analysis

__all__ = ["Hubs"]

_METHOD = (
    "Spearman's rho at equal lengths; farther ends of the percentile and the pivotal bootstrap "
    "over prompts, from 0 where a permutation of prompts reaches the score in more than 5 %"
)
_CHANCE = 0.05
_FEWEST = 8
"""Prompts; ranks of fewer have few orders."""


class Hubs(Step):
    """A region's hub score: the mean size of its rank correlations with the other regions.

    Over prompts, paraphrases averaged, with what length does taken out of every region. `chance` is
    the score that 95 % of shuffles of the region's prompts stay below: sizes have no sign, so that
    no score is 0 by chance. For the same reason resamples lie above what they are drawn from where
    correlations are weak; so `low` and `high` are the farther ends of the percentiles and of these
    reflected at the score, and `low` is 0 where the score is no more than chance.
    """

    name = "hubs"
    holds = "which regions of the brain view, a metaphor, rise and fall together over prompts"
    of_focus = True
    made_of = tuple(dict.fromkeys(region.metric for region in REGIONS))

    def build(self, of: Analysis) -> pd.DataFrame:
        """Return a row a model and region."""
        import pandas as pd

        found = of.once("regions", lambda: regions_found(of.measured, of.groups))
        if all(own.reason for own in found):
            return pd.DataFrame()
        by_model = [(model, [*own]) for model, own in groupby(found, key=lambda own: own.model)]
        # Models that have read the same prompts share their shuffles.
        shuffled = Remembered(int(of.stream(self.name).integers(1 << 62)))
        rows = threaded(lambda own: _rows(of, *own, shuffled), by_model)
        return pd.DataFrame(chain.from_iterable(rows))

    def absent(self, of: Analysis) -> str:
        """Return why there are no hubs."""
        return "no region has a value"


def _rows(
    of: Analysis, model: str, every: Sequence[Found], shuffled: Shuffler
) -> list[dict[str, Any]]:
    columns: dict[str, pd.Series[Any]] = {}
    reasons: dict[str, str] = {}
    for own in every:
        key = own.region.key
        if own.reason is not None:
            reasons[key] = own.reason
            continue
        values = adjusted_values(own.values)
        by_cluster = values.groupby("cluster")["value"].mean()
        if by_cluster.nunique() < 2:
            unknown = values["reason"].dropna()
            same = "the value is the same for all prompts"
            reasons[key] = str(unknown.iloc[0]) if len(unknown) else same
        else:
            columns[key] = by_cluster
    rows = _scores(of, model, columns, shuffled)
    return [
        {
            "model": model,
            "region": own.region.key,
            **rows.get(own.region.key, _unknown(0, reasons.get(own.region.key, ""))),
        }
        for own in every
    ]


def _scores(
    of: Analysis, model: str, columns: Mapping[str, pd.Series[Any]], shuffled: Shuffler
) -> dict[str, dict[str, Any]]:
    import pandas as pd

    table = pd.DataFrame(columns).dropna()
    names, n = list(table.columns), len(table)
    if len(names) < 2 or n < _FEWEST:
        why = "no other region has a value" if len(names) < 2 else f"fewer than {_FEWEST} prompts"
        return {name: _unknown(n, why) for name in names}
    drawn = resampled_rank_correlations(
        table.to_numpy(dtype=np.float64), rng=of.stream("hubs", model, "intervals"),
        resamples=of.settings.resamples,
    )  # fmt: skip
    scores = (np.abs(drawn).sum(axis=2) - 1) / (len(names) - 1)
    ranks = table.rank().to_numpy(dtype=np.float64)
    ranks = ranks - ranks.mean(axis=0)
    ranks = ranks / np.linalg.norm(ranks, axis=0)
    orders = shuffled(np.zeros(n, dtype=np.intp), of.settings.permutations)
    return {
        name: _score(ranks, place, names, orders, scores[:, place])
        for place, name in enumerate(names)
    }


def _score(
    ranks: NDArray[np.float64],
    place: int,
    names: list[str],
    orders: NDArray[Any],
    drawn: NDArray[np.float64],
) -> dict[str, Any]:
    others = np.delete(ranks, place, axis=1)
    correlations = ranks[:, place] @ others
    shuffled = np.abs(permuted_sums(ranks[:, place], orders, others)).mean(axis=1)
    hub = float(np.abs(correlations).mean())
    partner = int(np.abs(correlations).argmax())
    # What rounding tells apart counts as equal.
    beyond = int((shuffled >= hub - 1e-12).sum())
    p = (beyond + 1) / (len(orders) + 1)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    low, high = max(0.0, min(low, 2 * hub - high)), min(1.0, max(high, 2 * hub - low))
    return {
        "hub": hub,
        "low": float(low) if p <= _CHANCE else 0.0,
        "high": float(high),
        "chance": float(np.quantile(shuffled, 0.95)),
        "p": p,
        "partner": [name for name in names if name != names[place]][partner],
        "rho": float(correlations[partner]),
        "others": len(names) - 1,
        "n": len(ranks),
        "method": _METHOD,
        "reason": None,
    }


def _unknown(n: int, reason: str) -> dict[str, Any]:
    numbers = dict.fromkeys(("hub", "low", "high", "chance", "p"), np.nan)
    return {
        **numbers, "partner": None, "rho": np.nan, "others": 0, "n": n, "method": None,
        "reason": reason,
    }  # fmt: skip
