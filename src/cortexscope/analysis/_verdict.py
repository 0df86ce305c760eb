"""Whether something shows in a metric: beyond length, only raw, or not told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from cortexscope.analysis._groups import Groups
from cortexscope.analysis._scopes import unknown

__all__ = ["CHANCE", "Verdict", "told_of_groups", "told_of_number", "verdict_of"]

CHANCE = 0.05
"""A p-value above it, over all metrics shown, is open."""

Verdict = Literal["clear", "only raw", "open"]
"""`clear`: also at equal lengths. `only raw`: where lengths are as they are. `open`: not told."""

_Row = Mapping[Any, Any]


def verdict_of(raw: float, adjusted: float) -> Verdict:
    """Return what p-values over all metrics say.

    Args:
        raw: with lengths as they are.
        adjusted: at equal lengths; NaN where it is not known.

    Example:
        >>> verdict_of(0.001, 0.2), verdict_of(0.2, 0.001), verdict_of(0.2, float("nan"))
        ('only raw', 'clear', 'open')
    """
    if adjusted <= CHANCE:
        return "clear"
    return "only raw" if raw <= CHANCE else "open"


def told_of_groups(groups: Groups, rows: Mapping[str, _Row]) -> str:
    """Return whether a label shows in a metric, in a sentence.

    Args:
        groups: of the label.
        rows: of the table `effects`, by form.
    """

    def said(row: _Row, of: str) -> str:
        share = f"{_percent(row['omega_squared_partial'])}"
        if not unknown(row["low"]):
            share += f" [{_percent(row['low'])}, {_percent(row['high'])}]"
        return f"{share} % of {of}"

    return _told(groups, rows, said)


def told_of_number(groups: Groups, rows: Mapping[str, _Row]) -> str:
    """Return whether a number goes with a metric, in a sentence.

    Args:
        groups: with the number.
        rows: of the table `slopes`, by form.
    """

    def said(row: _Row, _: str) -> str:
        ends = "" if unknown(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
        return f"rho = {row['rho']:.2f}{ends}"

    return _told(groups, rows, said)


def _told(groups: Groups, rows: Mapping[str, _Row], said: Callable[[_Row, str], str]) -> str:
    raw, equal = rows["raw"], rows["adjusted"]
    inside = " inside tasks" if groups.apart else ""
    if unknown(raw["p_max_t"]):
        return f"whether {groups.name} shows{inside} cannot be told ({_why(raw)})."
    verdict = verdict_of(raw["p_max_t"], equal["p_max_t"])
    shows = f"{groups.name} shows{inside}"
    shown = f"{said(raw, 'the variance')}, p = {raw['p_max_t']:.2g}"
    if unknown(equal["p_max_t"]):
        first = f"{shows} raw" if verdict == "only raw" else f"whether {shows} is open"
        return f"{first}: {shown}; beyond length it cannot be told ({_why(equal)})."
    beyond = f"{said(equal, 'what length leaves of it')}, p = {equal['p_max_t']:.2g}"
    if verdict == "clear":
        return f"{shows} beyond length: raw, {shown}; beyond length, {beyond}."
    first = f"{shows} only raw" if verdict == "only raw" else f"whether {shows} is open"
    return f"{first}: {shown}; beyond length, {beyond}."


def _why(row: _Row) -> str:
    return str(row["reason"]).rstrip(".")


def _percent(share: float) -> str:
    return f"{100 * max(share, 0.0):.0f}"
