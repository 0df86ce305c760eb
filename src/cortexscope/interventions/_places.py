"""Where in a model an edit acts, as data and as a user types it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from cortexscope.errors import UsageError

__all__ = ["Place", "places_of", "written"]

_ITEM = re.compile(
    r"(?:(?P<stack>encoder|decoder)\.)?(?P<numbers>\d{1,6}(?:\.\d{1,6})?)(?:-(?P<last>\d{1,6}))?"
)
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A layer, or one head, neuron or expert of it."""

    layer: int
    """From 1, as in every table: block number i gives layer i + 1."""
    index: int | None = None
    """Of the head, neuron or expert, from 0; None for the layer as a whole."""
    stack: str | None = None
    """`encoder` or `decoder`; None in a model of one stack."""

    def __str__(self) -> str:
        return written([self])


def places_of(text: str, *, units: str | None = None) -> tuple[Place, ...]:
    """Return the places that a text names, in order and each once.

    Args:
        text: such as `3,5-7` or `encoder.2`; of units `5.3,5.8-9`.
        units: what is counted inside of a layer, such as `head`; None for whole layers.

    Raises:
        UsageError: if it is of another form.

    Example:
        >>> places_of("5.3,2.0-1", units="head")
        (Place(layer=2, index=0, stack=None), Place(layer=2, index=1, stack=None), \
Place(layer=5, index=3, stack=None))
    """
    found = {place for item in text.split(",") for place in _item(item.strip(), text, units)}
    return _sorted(found)


def _item(item: str, text: str, units: str | None) -> Iterator[Place]:
    match = _ITEM.fullmatch(item)
    if match is None or ("." in match["numbers"]) != (units is not None):
        form = (
            "LAYER or FIRST-LAST, such as 12 or 3-5"
            if units is None
            else f"LAYER.{units.upper()} or LAYER.FIRST-LAST, such as 5.3 or 5.3-4"
        )
        raise UsageError(
            f"{item!r} in {text!r} names no place; write {form}, with encoder. or decoder. in "
            "front in a model that has both."
        )
    layer, _, index = match["numbers"].partition(".")
    first = int(index or layer)
    last = first if match["last"] is None else int(match["last"])
    if last < first or last - first >= _MOST:
        raise UsageError(f"{item!r} in {text!r} ends before it begins; write FIRST-LAST.")
    for number in range(first, last + 1):
        if units is None:
            yield Place(number, None, match["stack"])
        else:
            yield Place(int(layer), number, match["stack"])


def written(places: Iterable[Place]) -> str:
    """Return the one text for these places; neighbours are written as a range.

    Example:
        >>> written([Place(3), Place(5), Place(4)]), written([Place(5, 3), Place(5, 1)])
        ('3-5', '5.1,5.3')
    """
    items = []
    for (stack, layer, _), group in groupby(enumerate(_sorted(places)), key=_run):
        run = [place for _, place in group]
        front = ("" if stack is None else f"{stack}.") + ("" if layer is None else f"{layer}.")
        first, last = _number(run[0]), _number(run[-1])
        items.append(f"{front}{first}" if first == last else f"{front}{first}-{last}")
    return ",".join(items)


def _run(numbered: tuple[int, Place]) -> tuple[str | None, int | None, int]:
    """Return what is the same for places that follow each other."""
    at, place = numbered
    return place.stack, None if place.index is None else place.layer, _number(place) - at


def _number(place: Place) -> int:
    return place.layer if place.index is None else place.index


def _sorted(places: Iterable[Place]) -> tuple[Place, ...]:
    # An encoder is read before its decoder, and its name comes first.
    return tuple(
        sorted(set(places), key=lambda place: (place.stack or "", place.layer, place.index or 0))
    )
