"""Counts, labels and facts of models that the file states several times: they must agree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cortexscope.audit._grid import LABELS, Cell, Grid
from cortexscope.audit._published import Published, Table
from cortexscope.audit._records import WrongFigure
from cortexscope.audit._words import counted

__all__ = ["compare_labels"]

_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)")


def compare_labels(published: Published, grid: Grid) -> tuple[list[WrongFigure], int]:
    """Return the labels, counts and facts that the file contradicts, and how many were compared."""
    checks = [
        *_headings(published, grid),
        *_titles(published),
        *_facts(published, grid),
        *_rows(published, grid),
        *_lists(published, grid),
    ]
    return [wrong for wrong in checks if wrong.printed != wrong.recomputed], len(checks)


def _compare(
    table: str, row: str, column: str, place: str, printed: str, due: str, why: str,
    part: str | None = None,
) -> WrongFigure:  # fmt: skip
    """Return the comparison; it is a wrong figure where the two texts differ."""
    return WrongFigure(table, part, row, column, place, printed, due, "label or count", why)


def _headings(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    models, tasks = len(grid.models), len(grid.tasks)
    due = {
        "Total Models": (str(models), f"Table 1 has {counted(models, 'model')}"),
        "Total Categories": (
            str(tasks),
            f"Table 1 has {tasks} {'category' if tasks == 1 else 'categories'}",
        ),
    }
    stamp = _STAMP.search(published.path.name)
    if stamp:
        year, month, day, *clock = stamp.groups()
        time = f"{year}-{month}-{day} {':'.join(clock)}"
        due["Generated"] = (time, "the file's name has another time")
    for name in (name for name in due if name in published.headings):
        printed, place = published.headings[name]
        yield _compare("heading", name, "", place, printed, *due[name])


def _titles(published: Published) -> Iterator[WrongFigure]:
    first = next((table.part for table in published.lists), None)
    for table in published.tables:
        if table.part in (None, first):
            titled, due = f"TABLE {table.titled}", f"TABLE {table.number}"
            why = "its columns are those of the other table"
            yield _compare(due.title(), "title", "", table.place, titled, due, why)


def _facts(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    """Compare each model's facts between its rows of Table 1, and look for missing rows."""
    for (model, task), row in grid.rows.items():
        for name, usual in grid.facts[model].items():
            if name in row.cells:
                label, why = f"{model} {task}", f"{usual} stands in most rows of {model}"
                yield _compare("Table 1", label, name, row.place, row.cells[name], usual, why)
    for given, due in grid.relabelled.items():
        label, why = " ".join(given), "this combination is the only one that is missing"
        place = grid.rows[due].place
        for column, own, meant in zip(("Model", "Category"), given, due, strict=True):
            yield _compare("Table 1", label, column, place, own, meant, why)
    first = published.table(1)
    assert first is not None
    for cell in ((model, task) for model in grid.models for task in grid.tasks):
        if cell not in grid.rows:
            label, why = " ".join(cell), "every other combination has a row"
            yield _compare("Table 1", label, "", first.place, "no row", "a row", why)


def _rows(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    """Compare the rows of Tables 2 to 5 with the models, tasks and facts that Table 1 has."""
    for table in published.tables:
        if table.number not in LABELS:
            continue
        name, known = LABELS[table.number], grid.labels(table.number)
        pairs, title = grid.meant(table), f"Table {table.number}"
        printed = [row.cells[name] for row in table.rows]
        for row in table.rows:
            label = row.cells[name]
            at = (title, label, name, row.place, label)
            due = pairs.get(label, f"one of {', '.join(known)}")
            yield _compare(*at, due, "Table 1 has no such label")
            if printed.count(label) > 1:
                yield _compare(*at, "one row only", "the label is there twice")
            for column, due, why in _beside(table.number, pairs.get(label), grid):
                if column in row.cells:
                    yield _compare(title, label, column, row.place, row.cells[column], due, why)
        for label in known:
            if label not in pairs.values():
                why = "Table 1 has this label"
                yield _compare(title, label, name, table.place, "no row", label, why)


def _beside(number: int, label: str | None, grid: Grid) -> Iterator[tuple[str, str, str]]:
    """Yield what a row of Tables 2 and 5 says beside figures: column, what it should be, why."""
    if number == 2 and label:
        for name, usual in grid.facts[label].items():
            yield name, usual, f"{usual} stands in Table 1"
    if number == 5 and label:
        count = str(len(grid.of("Parameters", label)))
        yield "Num_Models", count, f"Table 1 has {count} with these parameters"


def _lists(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    for table in published.lists:
        rows = len(table.rows)
        if stated := re.search(r"\bTop (\d+)\b", table.part or ""):
            # A list of the top 10 of 8 cells has 8 rows.
            due = stated[1] if rows == min(int(stated[1]), len(grid.rows)) else str(rows)
            why = f"the list has {rows} rows"
            place = table.place
            yield _compare("Table 6", "heading", "", place, stated[1], due, why, table.part)
        yield from _listed(table, grid)


def _listed(table: Table, grid: Grid) -> Iterator[WrongFigure]:
    seen: set[Cell] = set()
    for rank, row in enumerate(table.rows, 1):
        cell = (row.cells["Model"], row.cells["Category"])
        label = due = " ".join(cell)
        why = "Table 1 has this combination"
        if cell not in grid.rows:
            due, why = "a model and category of Table 1", "Table 1 has no such combination"
        elif cell in seen:
            due, why = "another combination", "it is in the list twice"
        seen.add(cell)
        at = ("Table 6", f"rank {rank}", "Model, Category", row.place)
        yield _compare(*at, label, due, why, table.part)
