"""Numbers and texts packed for a page, which unpacks them by the browser's own means."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cortexscope.document._explorers import Chooser, Pages
from cortexscope.document._figure import Figure
from cortexscope.document.drawing._look import look
from cortexscope.document.drawing.plotly import layout
from cortexscope.texts import plain, plain_lines

__all__ = ["packed", "packed_chooser", "packed_figure", "packed_pages"]

_LEFT_OUT = 8
"""Bits of 23 that are left out of a fraction: a number is right to one in 65,000, four digits, and
takes a byte less."""


def _look() -> dict[str, object]:
    """Return how a page draws what is chosen on it: as figures are drawn."""
    lines = [{"color": own.colour, "dash": own.plotly_dash} for own in map(look, range(28))]
    return {"layout": layout(0), "lines": lines}


def packed(text: str | bytes) -> str:
    """Return a text or bytes, packed."""
    content = text.encode() if isinstance(text, str) else text
    # The highest level takes three times as long for a hundredth less.
    return b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def packed_figure(figure: Figure) -> str:
    """Return all that a figure draws, a table a panel, to six digits."""
    tables = []
    for part in (panel.numbers() for panel in figure.panels):
        cells = [
            [_cell(value) for value in row] for row in part.frame.itertuples(index=False, name=None)
        ]
        names = [plain(column.name) for column in part.columns]
        tables.append({"title": plain(part.title or ""), "columns": names, "rows": cells})
    return packed(json.dumps(tables, ensure_ascii=False))


def _cell(value: object) -> str | int | float | None:
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, int | np.integer) else plain(str(value))


def packed_chooser(chooser: Chooser) -> tuple[str, str]:
    """Return what a chooser offers, and its numbers, grid by grid."""
    facts = {
        "look": _look(),
        "groups": [plain(own) for own in chooser.groups],
        "grids": [
            {
                "title": plain(own.title),
                "group": plain(own.group),
                "meaning": plain(own.meaning),
                "series": plain(own.series),
                "first": own.first,
                "heads": own.heads,
                "shape": own.values.shape,
            }
            for own in chooser.grids
        ],
    }
    return packed(json.dumps(facts)), _numbers([own.values for own in chooser.grids])


def packed_pages(pages: Pages) -> tuple[str, str]:
    """Return names and texts of pages, and their numbers: values, means, spreads, depths."""
    facts = {
        "look": _look(),
        "names": [plain(str(own)) for own in pages.table.parts[0].frame.iloc[:, 0]],
        "heads": [plain(own) for own in pages.heads],
        "texts": [plain_lines(own) for own in pages.texts],
        "made": [
            [[plain(name), plain_lines(text)] for name, text in own] for own in pages.made
        ],
        "metrics": [plain(own) for own in pages.metrics],
        "series": [plain(own) for own in pages.series],
        "depths": [
            {"metric": own.metric, "series": own.series, "first": own.first,
             "layers": own.values.shape[1]}
            for own in pages.depths
        ],
    }  # fmt: skip
    arrays = [pages.values, pages.means, pages.spreads, *(own.values for own in pages.depths)]
    return packed(json.dumps(facts)), _numbers(arrays)


def _numbers(arrays: Sequence[NDArray[np.float64]]) -> str:
    """Return numbers as float32, all first bytes before all second ones, which packs better."""
    flat = np.concatenate([np.zeros(0), *(own.ravel() for own in arrays)]).astype("<f4")
    bits = flat.view("<u4")
    # To the nearest; an infinite number or none keeps what it is.
    rounded = (bits + np.uint32(1 << (_LEFT_OUT - 1))) & np.uint32(-(1 << _LEFT_OUT) & 0xFFFFFFFF)
    bits = np.where(np.isfinite(flat), rounded, np.float32(np.nan).view("<u4"))
    return packed(bits.astype("<u4").view("u1").reshape(-1, 4).T.tobytes())
