"""Table 1 as a grid of models and tasks, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cortexscope.audit._published import Published, Row, Table
from cortexscope.audit._rounding import is_number
from cortexscope.errors import UsageError

__all__ = ["INPUTS", "LABELS", "Cell", "Grid", "read_grid"]

Cell = tuple[str, str]
"""A model and a task."""
INPUTS = "Inputs_Analyzed"
LABELS = {2: "Model", 3: "Category", 4: "Architecture", 5: "Parameters"}
"""The column of Tables 2 to 5 that says what a row is of."""
_FACTS = ("Model_Name", "Architecture", "Parameters", "Layers", "Heads", "Hidden_Size")


@dataclass(frozen=True, slots=True)
class Grid:
    """Table 1."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    """Its columns of measured figures, in order."""
    values: Mapping[str, Mapping[Cell, float]]
    """By column (the metrics and the inputs) and cell; undefined ones are left out."""
    rows: Mapping[Cell, Row]
    facts: Mapping[str, Mapping[str, str]]
    """By model: architecture, parameters and so on, as most of its rows have them."""
    relabelled: Mapping[Cell, Cell]
    """Rows whose model or task is in no other row, with the combination that was missing."""

    def of(self, fact: str, value: str) -> tuple[str, ...]:
        """Return the models with a fact, such as Architecture decoder."""
        return tuple(model for model in self.models if self.facts[model].get(fact) == value)

    def labels(self, number: int) -> list[str]:
        """Return the labels that the rows of one of Tables 2 to 5 should have."""
        if number in (2, 3):
            return list(self.models if number == 2 else self.tasks)
        return list(dict.fromkeys(self.facts[m].get(LABELS[number], "") for m in self.models))

    def meant(self, table: Table) -> dict[str, str]:
        """Return the labels of one of Tables 2 to 5 with those they stand for in this one.

        The only odd pair belongs together: 109.6M among the printed, and 109.5M here.
        """
        printed = [row.cells[LABELS[table.number]] for row in table.rows]
        known = self.labels(table.number)
        pairs = {label: label for label in printed if label in known}
        left = [label for label in printed if label not in known]
        open_ = [label for label in known if label not in printed]
        return {**pairs, left[0]: open_[0]} if len(left) == len(open_) == 1 else pairs

    def cells_of(self, number: int, label: str) -> tuple[Cell, ...]:
        """Return the cells that a row of one of Tables 2 to 5 is made of."""
        models, tasks = self.models, self.tasks
        if number == 3:
            tasks = (label,)
        else:
            models = (label,) if number == 2 else self.of(LABELS[number], label)
        return tuple((model, task) for model in models for task in tasks)


def read_grid(published: Published) -> Grid:
    """Return Table 1 in numbers; a row with an odd label takes the place that is left empty.

    Raises:
        UsageError: if it has no figures, or a combination stands there twice.
    """
    table = published.table(1)
    assert table is not None
    start = max(table.columns.index(name) for name in ("Model", "Category"))
    metrics = tuple(name for name in table.columns[start + 1 :] if name != INPUTS)
    if not metrics or not table.rows:
        raise UsageError(
            f"{published.path.name} is not a file of the study's tables: its Table 1 has no "
            "figures; give the text file of Tables 1 to 6, or a spreadsheet of them."
        )
    given = [(row.cells["Model"], row.cells["Category"]) for row in table.rows]
    relabelled = _relabelled(given)
    rows: dict[Cell, Row] = {}
    for cell, row in zip(given, table.rows, strict=True):
        place = relabelled.get(cell, cell) if given.count(cell) == 1 else cell
        if place in rows:
            raise UsageError(
                f"{published.path.name}, {row.place}: {' and '.join(cell)} stand in Table 1 twice, "
                "so no average can be recomputed; give a file with each combination once."
            )
        rows[place] = row
    models = tuple(dict.fromkeys(model for model, _ in rows))
    return Grid(
        models=models,
        tasks=tuple(dict.fromkeys(task for _, task in rows)),
        metrics=metrics,
        values={
            name: {
                cell: float(text)
                for cell, row in rows.items()
                if is_number(text := row.cells.get(name, ""))
            }
            for name in (*metrics, INPUTS)
        },
        rows=rows,
        facts={model: _facts(rows, model) for model in models},
        relabelled={cell: place for cell, place in relabelled.items() if place in rows},
    )


def _facts(rows: Mapping[Cell, Row], model: str) -> dict[str, str]:
    own = [row.cells for (name, _), row in rows.items() if name == model]
    given = {name: [cells[name] for cells in own if name in cells] for name in _FACTS}
    return {name: Counter(all_).most_common(1)[0][0] for name, all_ in given.items() if all_}


def _relabelled(cells: list[Cell]) -> dict[Cell, Cell]:
    """Return the one row with a label of its own, and the only combination that is missing."""
    models, tasks = (Counter(cell[side] for cell in cells) for side in (0, 1))
    known = [
        {name for name, count in counts.items() if count > 1 or len(counts) == 1}
        for counts in (models, tasks)
    ]
    odd = [cell for cell in cells if cell[0] not in known[0] or cell[1] not in known[1]]
    doubled = [cell for cell, count in Counter(cells).items() if count > 1]
    full = {(model, task) for model in known[0] for task in known[1]}
    missing = full - set(cells)
    if len(odd) == 1 and len(missing) == 1 and not doubled:
        (place,) = missing
        if len({odd[0][0], place[0]}) + len({odd[0][1], place[1]}) == 3:
            return {odd[0]: place}
    return {}
