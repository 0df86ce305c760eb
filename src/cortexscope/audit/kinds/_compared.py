"""A quoted figure beside what it should be, and the verdict on several."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._rounding import agrees
from cortexscope.audit._words import metric_unit

__all__ = ["compared", "figures_agree"]


def compared(
    name: str, claimed: str, known: Known | None, *, metric: str, note: str = ""
) -> Quantity:
    """Return a quoted figure beside what it should be; None where that is not known."""
    if known is None or math.isnan(known.value):
        return Quantity(name, claimed, None, note="not in this source")
    right = agrees(claimed, known.value, slack=known.half)
    return Quantity(name, claimed, known.value, right=right, note=note, unit=metric_unit(metric))


def figures_agree(evidence: Evidence, quantities: Sequence[Quantity]) -> Check:
    """Return whether all figures are right, in the digits printed."""
    known = [quantity for quantity in quantities if quantity.right is not None]
    wrong = [quantity for quantity in known if not quantity.right]
    if not known:
        return evidence.says("cannot be checked", "None of them is in this source.", *quantities)
    if wrong:
        names = "; ".join(_difference(quantity) for quantity in wrong[:3])
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        said = f"{len(wrong)} of {len(known)} figures differ: {names}{more}."
        return evidence.says("contradicted", said, *quantities)
    if len(known) < len(quantities):
        said = (
            f"{len(known)} of {len(quantities)} figures agree; the others are not in this source."
        )
        return evidence.says("cannot be checked", said, *quantities)
    said = f"All {len(known)} figures agree, in the digits printed."
    return evidence.says("holds", said, *quantities)


def _difference(quantity: Quantity) -> str:
    found = quantity.found
    text = f"{found:.6g}" if isinstance(found, float) else str(found)
    return f"{quantity.name} is {text}, not {quantity.claimed}"
