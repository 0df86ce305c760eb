"""What compiled code gives of states: all reductions that are asked for, in one reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cortexscope import native
from cortexscope.taps._sizes import Moments, Peak

if TYPE_CHECKING:
    from cortexscope.taps._reductions import Key
    from cortexscope.taps._states import HiddenStates

__all__ = ["compiled"]

_PROMPTS = ("peak", "resultant", "massive")
"""Reductions of whole prompts, which need the sizes of their rows."""


def compiled(states: HiddenStates, keys: Iterable[Key]) -> dict[Key, Any]:
    """Return those of the reductions that compiled code gives, and what comes beside them.

    Nothing where there is no such code for these states.
    """
    rows = states.rows
    asked: dict[Any, Key] = {key[0]: key for key in keys if key not in states.reductions}
    if rows is None or not asked:
        return {}
    names: list[str] = []
    whole = rows.where is None and any(name in asked for name in _PROMPTS)
    known = all((name,) in states.reductions for name in native.SIZES)
    if not known and (
        whole or "near_zero_relative" in asked or any(name in asked for name in native.SIZES)
    ):
        names += native.SIZES
    names += native.MOMENTS if "moments" in asked else ()
    names += ["zeros"] if "zeros" in asked else []
    names += ["below"] if "near_zero" in asked else []
    if "near_zero_relative" in asked and names[:1] == ["sums"]:
        names.append("relative")
    before = states.before
    if "products_before" in asked and before is not None and states.lies_as(before):
        names.append("products")
    found: dict[Key, Any] = {}
    if names:
        read = native.row_sizes(
            rows,
            names,
            threshold=asked["near_zero"][1] if "below" in names else 0.0,
            share=asked["near_zero_relative"][1] if "relative" in names else 0.0,
            others=before.whole if before is not None and "products" in names else None,
        )
        found = {(name,): read[name] for name in (*native.SIZES, "zeros") if name in read}
        if "means" in read:
            found["moments",] = Moments(*(read[name] for name in native.MOMENTS))
        if "below" in read:
            found[asked["near_zero"]] = read["below"]
        if "relative" in read:
            found[asked["near_zero_relative"]] = read["relative"]
        if "products" in read:
            found["products_before",] = read["products"]
    if whole:
        found.update(_of_prompts(states, asked, found))
    return found


def _of_prompts(
    states: HiddenStates, asked: dict[Any, Key], found: dict[Key, Any]
) -> dict[Key, Any]:
    known = {**states.reductions, **found}
    massive = None
    if "massive" in asked:
        sample = states.positions.sample_or_all
        _, least, times = asked["massive"]
        massive = native.Massive(least, times, sample.where, sample.mask)
    read = native.prompt_sizes(
        states.whole,
        states.tokens,
        states.rest,
        norms=known["norms",],
        largest=known["largest",],
        massive=massive,
    )
    own: dict[Key, Any] = {
        ("peak",): Peak(read.peaks, read.peak_rows, read.peak_features),
        ("resultant", False): read.resultants,
        ("resultant", True): read.resultants_rest,
    }
    return own if massive is None else {**own, asked["massive"]: read.massive}
