"""Figures beside what they should be, and a run's models beside one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cortexscope.audit._evidence import Evidence, Known, mean_of_known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import counted, metric_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["all_right", "beyond", "clustered", "compared", "figures_agree", "in_words"]


def compared(
    name: str, claimed: str, known: Known | None, *, metric: str, note: str = ""
) -> Quantity:
    """Return a quoted figure beside what it should be; None where that is not known."""
    if known is None or math.isnan(known.value):
        return Quantity(name, claimed, None, note="not in this source")
    right = agrees(claimed, known.value, slack=known.half)
    return Quantity(name, claimed, known.value, right=right, note=note, unit=metric_unit(metric))


def figures_agree(
    evidence: Evidence, quantities: Sequence[Quantity], *, caveats: tuple[str, ...] = ()
) -> Check:
    """Return whether all figures are right, in the digits printed; with caveats where they are."""
    known = [quantity for quantity in quantities if quantity.right is not None]
    wrong = [quantity for quantity in known if not quantity.right]
    if not known:
        return evidence.says(None, "None of them is in this source.", *quantities)
    if wrong:
        names = "; ".join(
            f"{own.name} is "
            f"{f'{own.found:.6g}' if isinstance(own.found, float) else own.found}, "
            f"not {own.claimed}"
            for own in wrong[:3]
        )
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        said = f"{len(wrong)} of {len(known)} figures differ: {names}{more}."
        return evidence.says(False, said, *quantities)
    if len(known) < len(quantities):
        said = f"{len(known)} of {len(quantities)} figures agree; the others are not in this "
        return evidence.says(None, f"{said}source.", *quantities)
    said = f"All {len(known)} figures agree, in the digits printed."
    return evidence.says(True, said, *quantities, caveats=caveats)


def beyond(
    evidence: Evidence, metric: str, one: Sequence[str], other: Sequence[str], name: str
) -> Quantity:
    """Return how far the average of some models lies above that of others, claimed to be above 0.

    Of a run it is the mean over prompts, with its t interval.
    """
    from cortexscope.stats import mean_of

    table, unit = evidence.prompts.get(metric), metric_unit(metric)
    if table is None:
        known = evidence.models[metric]
        above, below = (mean_of_known([known[model] for model in own]) for own in (one, other))
        note = f"{above.value:.4g} beside {below.value:.4g}"
        difference, right = above.value - below.value, above.above(below)
        return Quantity(name, "> 0", difference, right=right, note=note, unit=unit)
    averages = [table[list(own)].mean(axis=1).to_numpy() for own in (one, other)]
    found = mean_of(clustered(table, averages[0] - averages[1]))
    note = f"n = {counted(found.n, 'prompt')}, read by all models; t interval"
    note += f"; {found.reason}" if found.reason else ""
    return Quantity(name, "> 0", found.value, found.low, found.high, found.positive, note, unit)


def in_words(step: Quantity) -> str:
    """Return a difference with its interval, and what it is of.

    Example:
        >>> in_words(Quantity("b less a", "> 0", 0.2, 0.1, 0.3, note="n = 9 prompts"))
        '0.2 [0.1, 0.3] (n = 9 prompts)'
    """
    low, high = step.low, step.high
    interval = "" if low is None or high is None else f" [{low:.3g}, {high:.3g}]"
    return f"{step.found:.3g}{interval} ({step.note})"


def clustered(table: pd.DataFrame, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each cluster of prompts, of one number a row of values by prompt."""
    series = table.iloc[:, :0].assign(value=numbers)["value"]
    return series.groupby(level="cluster").mean().to_numpy(dtype=np.float64)


def all_right(held: Sequence[bool | None]) -> bool | None:
    """Return whether all hold: False as soon as one is refuted, None where one is open."""
    return False if False in held else None if None in held or not held else True
