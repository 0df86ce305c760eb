"""Models or tasks hold the most extreme cells of a model and a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Literal

from cortexscope.audit._evidence import Evidence, Known
from cortexscope.audit._grid import Cell
from cortexscope.audit._records import Check, Quantity
from cortexscope.audit._words import capital, counted, listed, spoken
from cortexscope.audit.kinds._compared import compared
from cortexscope.audit.kinds._kind import OfMetric
from cortexscope.audit.kinds._leads import SINGLE, End, sign_of

__all__ = ["Top"]


class Top(OfMetric):
    """Models or tasks hold so many of the most extreme cells; more than half where no number."""

    kind: Literal["top"]
    end: End
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
        if run is not None and len(known := self.asked_of(run)) < len(run.hubs):
            said = f"The run has {self.spoken} of {len(known) or 'none'} of the study's "
            said += f"{counted(len(run.hubs), 'model')}."
            return evidence.says(None, said)
        if evidence.cells is None:
            return evidence.says(None, "No figure of a task in one model is quoted.")
        cells = evidence.cells.get(self.metric, {})
        if len(cells) < self.count:
            return evidence.says(None, f"There are {len(cells)} cells, fewer than {self.count}.")
        kept = _ranked(cells, self.end)[: self.count]
        fewest, most = self._hits(cells)
        named = listed((*self.models, *map(spoken, self.tasks)))
        hits = f"{fewest}" if fewest == most else f"{fewest} to {most} (cells tie)"
        if self.hits is None:
            claimed = f"more than {self.count // 2}"
            possible = {2 * some > self.count for some in (fewest, most)}
        else:
            claimed = str(self.hits)
            possible = {some == self.hits for some in range(fewest, most + 1)}
        right = possible.pop() if len(possible) == 1 else None
        name = f"of the {self.count} {self.end}, {named}"
        quantities = [
            Quantity(name, claimed, hits, right=right),
            *(
                self.number(f"{rank}. {_named(cell)}", cells[cell], _tied(cells, cell))
                for rank, cell in enumerate(kept, 1)
            ),
        ]
        said = f"{capital(named)} {'holds' if ' and ' not in named else 'hold'} {hits} "
        said += f"of the {self.count} {self.end}"
        if right is None:
            said += f", so that it cannot be told whether these are {claimed}."
        else:
            said += "." if right else f", not {claimed}; {_holders(kept)}."
        # The range is that of the study's prompts.
        if self.range is not None and run is None:
            low, high = (end(cells[cell] for cell in kept) for end in (min, max))
            ends = [
                compared(f"{which} of these", text, Known(value), metric=self.metric)
                for which, text, value in zip(
                    ("lowest", "highest"), self.range, (low, high), strict=True
                )
            ]
            quantities[1:1] = ends
            if not all(end.right for end in ends):
                right = False
                said += f" They reach from {low:g} to {high:g}."
        # In a run a cell is of as many prompts as were asked.
        caveats = (SINGLE,) if right and evidence.against == "the published files" else ()
        return evidence.says(right, said, *quantities, caveats=caveats)

    def _hits(self, cells: Mapping[Cell, float]) -> tuple[int, int]:
        """Return the fewest and the most hits, where cells tie for the last places."""
        last = cells[_ranked(cells, self.end)[self.count - 1]]
        tied = [cell for cell, value in cells.items() if value == last]
        sign = sign_of(self.end)
        ahead = [cell for cell, value in cells.items() if sign * value > sign * last]
        places = self.count - len(ahead)
        sure = sum(self._meant(cell) for cell in ahead)
        among = sum(self._meant(cell) for cell in tied)
        return sure + max(0, places - (len(tied) - among)), sure + min(places, among)

    def _meant(self, cell: Cell) -> bool:
        return cell[0] in self.models or cell[1] in self.tasks


def _ranked(cells: Mapping[Cell, float], end: End) -> list[Cell]:
    return sorted(cells, key=lambda cell: -sign_of(end) * cells[cell])


def _named(cell: Cell) -> str:
    return f"{cell[0]}, {spoken(cell[1])}"


def _tied(cells: Mapping[Cell, float], own: Cell) -> str:
    others = [_named(c) for c, value in cells.items() if value == cells[own] and c != own]
    return f"ties with {'; '.join(others)}" if others else ""


def _holders(kept: list[Cell]) -> str:
    """Return how many of the cells each model has."""
    counts = Counter(model for model, _ in kept)
    return ", ".join(f"{model} has {count}" for model, count in counts.most_common())
