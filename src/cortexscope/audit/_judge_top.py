"""Claims on who holds the most extreme cells of a model and a task."""

from __future__ import annotations

from collections.abc import Mapping

from cortexscope.audit._claims import Top, metric_unit, spoken
from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._grid import Cell
from cortexscope.audit._judge_figures import compared
from cortexscope.audit._records import Check, Quantity

__all__ = ["top"]


def top(spec: Top, evidence: Evidence) -> Check:
    """Count how many of the most extreme cells some models or tasks hold."""
    if evidence.cells is None:
        return evidence.says("cannot be checked", "No figure of a task in one model is quoted.")
    cells = evidence.cells.get(spec.metric, {})
    if len(cells) < spec.count:
        said = f"There are {len(cells)} cells, fewer than {spec.count}."
        return evidence.says("cannot be checked", said)
    ranked = _ranked(cells, spec.end)
    kept = ranked[: spec.count]
    fewest, most = _hits(spec, cells)
    named = " and ".join((*spec.models, *map(spoken, spec.tasks)))
    hits = f"{fewest}" if fewest == most else f"{fewest} to {most} (cells tie)"
    if spec.hits is None:
        right = 2 * fewest > spec.count
        claimed = f"more than {spec.count // 2}"
    else:
        right, claimed = fewest <= spec.hits <= most, str(spec.hits)
    name = f"of the {spec.count} {spec.end}, {named}"
    quantities = [Quantity(name, claimed, hits, right=right)]
    quantities += [
        Quantity(
            f"{rank}. {model}, {spoken(task)}", None, cells[model, task],
            unit=metric_unit(spec.metric),
        )
        for rank, (model, task) in enumerate(kept, 1)
    ]  # fmt: skip
    said = f"{named[:1].upper()}{named[1:]} {'holds' if ' and ' not in named else 'hold'} {hits} "
    said += f"of the {spec.count} {spec.end}"
    said += "." if right else f", not {claimed}."
    if spec.range is not None:
        values = sorted(cells[cell] for cell in kept)
        ends = [
            compared(f"{which} of these", text, Known(value), metric=spec.metric)
            for which, text, value in zip(
                ("lowest", "highest"), spec.range, (values[0], values[-1]), strict=True
            )
        ]
        quantities[1:1] = ends
        if not all(end.right for end in ends):
            right = False
            said += f" They reach from {values[0]:g} to {values[-1]:g}."
    return evidence.says("holds" if right else "contradicted", said, *quantities)


def _ranked(cells: Mapping[Cell, float], end: str) -> list[Cell]:
    sign = -1.0 if end == "highest" else 1.0
    return sorted(cells, key=lambda cell: sign * cells[cell])


def _hits(spec: Top, cells: Mapping[Cell, float]) -> tuple[int, int]:
    """Return the fewest and the most hits, where cells tie for the last places."""
    last = cells[_ranked(cells, spec.end)[spec.count - 1]]
    tied = [cell for cell, value in cells.items() if value == last]
    sign = 1.0 if spec.end == "highest" else -1.0
    ahead = [cell for cell, value in cells.items() if sign * value > sign * last]
    places = spec.count - len(ahead)
    sure = sum(_meant(spec, cell) for cell in ahead)
    among = sum(_meant(spec, cell) for cell in tied)
    return sure + max(0, places - (len(tied) - among)), sure + min(places, among)


def _meant(spec: Top, cell: Cell) -> bool:
    return cell[0] in spec.models or cell[1] in spec.tasks
