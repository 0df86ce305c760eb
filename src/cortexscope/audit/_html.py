"""Write an audit as one HTML page that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cortexscope.audit._lead import lead_text
from cortexscope.audit._markdown import readme_lines
from cortexscope.audit._records import Audit, Check, Quantity
from cortexscope.audit._shown import (
    ALWAYS,
    PLAIN,
    found_text,
    interval_text,
    notable,
    plain,
    rank_text,
    tallies,
    wrong_text,
)

__all__ = ["as_html"]


def as_html(audit: Audit) -> str:
    """Return the whole audit as one HTML page.

    Every text of the files and the run is taken as hostile: all are escaped, and the page's content
    security policy forbids it to load or run anything.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cortexscope.audit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["slug"] = lambda verdict: verdict.replace(" ", "-")
    environment.filters["readme_lines"] = readme_lines
    return str(
        environment.get_template("audit.html.j2").render(
            audit=audit,
            unremarkable=PLAIN,
            always=ALWAYS,
            tallies=tallies(audit),
            notable=list(notable(audit)),
            wrong_text=wrong_text(audit),
            claims=[
                {"claim": claim, "checks": [_check(check) for check in claim.checks]}
                for claim in audit.claims
            ],
        )
    )


def _printable(value: object) -> object:
    """Return a text on one line; what a macro made is markup, of texts that were escaped."""
    from markupsafe import Markup

    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _check(check: Check) -> dict[str, Any]:
    return {
        "check": check,
        "readings": [
            {"words": reading.words, "view": _check(reading.check)} for reading in check.readings
        ],
        "leads": [
            {
                "over": lead.over,
                "own": lead.own,
                "text": lead_text(lead),
                "of": lead.ranks[0].of if lead.ranks else 0,
                "ranks": [
                    {
                        "text": rank_text(rank),
                        "first": rank.last == 1,
                        "shared": rank.first == 1 and rank.last > 1,
                    }
                    for rank in lead.ranks
                ],
            }
            for lead in check.leads
        ],
        "bars": _bars(check.quantities),
        "rows": [
            {
                "name": quantity.name,
                "claimed": quantity.claimed or "",
                "found": found_text(quantity),
                "interval": interval_text(quantity),
                "right": {True: "yes", False: "no", None: ""}[quantity.right],
                "note": quantity.note,
            }
            for quantity in check.quantities
        ],
        "intervals": any(interval_text(quantity) for quantity in check.quantities),
        "claimed": any(quantity.claimed for quantity in check.quantities),
        "notes": any(quantity.note for quantity in check.quantities),
    }


def _bars(quantities: Sequence[Quantity]) -> list[dict[str, Any]]:
    """Return the intervals of what should lie above 0, in per cent of the width of their unit."""
    drawn = [q for q in quantities if q.claimed == "> 0" and isinstance(q.found, float)]
    bars = []
    for quantity in drawn:
        if quantity.low is None or quantity.high is None or not isinstance(quantity.found, float):
            continue
        alike = [q for q in drawn if q.unit == quantity.unit]
        ends = [0.0, *(e for q in alike for e in (q.low, q.high, q.found) if isinstance(e, float))]
        first, reach = min(ends), (max(ends) - min(ends)) or 1.0

        def place(value: float, first: float = first, reach: float = reach) -> str:
            return f"{2 + 96 * (value - first) / reach:.2f}"

        low, high = place(quantity.low), place(quantity.high)
        bars.append(
            {
                "name": quantity.name,
                "text": f"{quantity.found:.3g} [{quantity.low:.3g}, {quantity.high:.3g}] "
                f"{quantity.unit}",
                "low": low,
                "width": f"{max(0.4, float(high) - float(low)):.2f}",
                "point": place(quantity.found),
                "zero": place(0.0),
                "held": {True: "holds", False: "contradicted", None: "open"}[quantity.right],
            }
        )
    return bars
