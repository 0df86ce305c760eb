"""Models or tasks hold the most extreme cells of a model and a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._grid import Cell
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import capital, listed, metric_unit, spoken
from cortexscope.audit.kinds._compared import compared
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._tasks import SINGLE

__all__ = ["Top"]


class Top(OfMetric):
    """Models or tasks hold so many of the most extreme cells; more than half where no number."""

    kind: Literal["top"]
    end: Literal["highest", "lowest"]
    count: int
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    hits: int | None = None
    range: tuple[str, str] | None = None
    of_runs: ClassVar[bool] = True
    of_named_models: ClassVar[bool] = True

    def judge(self, evidence: Evidence) -> Check:
        """Count how many of the most extreme cells some models or tasks hold."""
        run = evidence.run
        if run is not None and len(known := run.of_study()) < len(run.hubs):
            said = f"The run has {len(known) or 'none'} of the study's {len(run.hubs)} models."
            return evidence.says("cannot be checked", said)
        if evidence.cells is None:
            said = "No figure of a task in one model is quoted."
            return evidence.says("cannot be checked", said)
        cells = evidence.cells.get(self.metric, {})
        if len(cells) < self.count:
            said = f"There are {len(cells)} cells, fewer than {self.count}."
            return evidence.says("cannot be checked", said)
        kept = _ranked(cells, self.end)[: self.count]
        fewest, most = self._hits(cells)
        named = listed((*self.models, *map(spoken, self.tasks)))
        hits = f"{fewest}" if fewest == most else f"{fewest} to {most} (cells tie)"
        if self.hits is None:
            right = 2 * fewest > self.count
            claimed = f"more than {self.count // 2}"
        else:
            right, claimed = fewest <= self.hits <= most, str(self.hits)
        quantities = [
            Quantity(f"of the {self.count} {self.end}, {named}", claimed, hits, right=right)
        ]
        quantities += [
            Quantity(
                f"{rank}. {model}, {spoken(task)}", None, cells[model, task],
                note=_tied(cells, (model, task)), unit=metric_unit(self.metric),
            )
            for rank, (model, task) in enumerate(kept, 1)
        ]  # fmt: skip
        said = f"{capital(named)} {'holds' if ' and ' not in named else 'hold'} {hits} "
        said += f"of the {self.count} {self.end}"
        said += "." if right else f", not {claimed}; {_holders(kept)}."
        # The range is that of the study's prompts.
        if self.range is not None and run is None:
            values = sorted(cells[cell] for cell in kept)
            ends = [
                compared(f"{which} of these", text, Known(value), metric=self.metric)
                for which, text, value in zip(
                    ("lowest", "highest"), self.range, (values[0], values[-1]), strict=True
                )
            ]
            quantities[1:1] = ends
            if not all(end.right for end in ends):
                right = False
                said += f" They reach from {values[0]:g} to {values[-1]:g}."
        check = evidence.says("holds" if right else "contradicted", said, *quantities)
        # In a run a cell is of as many prompts as were asked.
        published = evidence.against == "the published files"
        return replace(check, caveats=(SINGLE,)) if right and published else check

    def _hits(self, cells: Mapping[Cell, float]) -> tuple[int, int]:
        """Return the fewest and the most hits, where cells tie for the last places."""
        last = cells[_ranked(cells, self.end)[self.count - 1]]
        tied = [cell for cell, value in cells.items() if value == last]
        sign = 1.0 if self.end == "highest" else -1.0
        ahead = [cell for cell, value in cells.items() if sign * value > sign * last]
        places = self.count - len(ahead)
        sure = sum(self._meant(cell) for cell in ahead)
        among = sum(self._meant(cell) for cell in tied)
        return sure + max(0, places - (len(tied) - among)), sure + min(places, among)

    def _meant(self, cell: Cell) -> bool:
        return cell[0] in self.models or cell[1] in self.tasks


def _ranked(cells: Mapping[Cell, float], end: str) -> list[Cell]:
    sign = -1.0 if end == "highest" else 1.0
    return sorted(cells, key=lambda cell: sign * cells[cell])


def _tied(cells: Mapping[Cell, float], own: Cell) -> str:
    others = [
        f"{model}, {spoken(task)}"
        for (model, task), value in cells.items()
        if value == cells[own] and (model, task) != own
    ]
    return f"ties with {'; '.join(others)}" if others else ""


def _holders(kept: list[Cell]) -> str:
    """Return how many of the cells each model has."""
    counts = {model: 0 for model, _ in kept}
    for model, _ in kept:
        counts[model] += 1
    most = sorted(counts, key=lambda model: -counts[model])
    return ", ".join(f"{model} has {counts[model]}" for model in most)
