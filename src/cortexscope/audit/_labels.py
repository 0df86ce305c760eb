"""Counts, labels and facts of models that the file states several times: they must agree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cortexscope.audit._grid import Grid, unlike_pair
from cortexscope.audit._published import Published, Row, Table
from cortexscope.audit._records import WrongFigure

__all__ = ["compare_labels"]

_LABELS = {2: "Model", 3: "Category", 4: "Architecture", 5: "Parameters"}
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)")


def compare_labels(published: Published, grid: Grid) -> tuple[list[WrongFigure], int]:
    """Return the labels, counts and facts that the file contradicts, and how many were compared."""
    checks = [
        *_headings(published, grid),
        *_titles(published),
        *_facts(published, grid),
        *_rows(published, grid),
        *_lists(published, grid),
        *_counts(published, grid),
    ]
    return [wrong for wrong in checks if wrong.printed != wrong.recomputed], len(checks)


def _compare(
    table: str,
    row: str,
    column: str,
    place: str,
    printed: str,
    due: str,
    why: str,
    *,
    part: str | None = None,
) -> WrongFigure:
    """Return the comparison; it is a wrong figure where the two texts differ."""
    return WrongFigure(table, part, row, column, place, printed, due, "label or count", why)


def _headings(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    for name, count, of in (
        ("Total Models", len(grid.models), "models"),
        ("Total Categories", len(grid.tasks), "categories"),
    ):
        if name in published.headings:
            printed, place = published.headings[name]
            why = f"Table 1 has {count} {of}"
            yield _compare("heading", name, "", place, printed, str(count), why)
    stamp = _STAMP.search(published.path.name)
    if stamp and "Generated" in published.headings:
        year, month, day, *clock = stamp.groups()
        printed, place = published.headings["Generated"]
        due = f"{year}-{month}-{day} {':'.join(clock)}"
        why = "the file's name has another time"
        yield _compare("heading", "Generated", "", place, printed, due, why)


def _titles(published: Published) -> Iterator[WrongFigure]:
    for table in published.tables:
        why = "its columns are those of the other table"
        titled, due = f"TABLE {table.titled}", f"TABLE {table.number}"
        if table.part in (None, next((other.part for other in published.lists), None)):
            yield _compare(due.title(), "title", "", table.place, titled, due, why)


def _facts(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    """Compare each model's facts between its rows of Table 1, and with Table 2."""
    for (model, task), row in grid.rows.items():
        for name, usual in grid.facts[model].items():
            if name in row.cells:
                why = f"{usual} stands in most rows of {model}"
                printed = row.cells[name]
                yield _compare("Table 1", f"{model} {task}", name, row.place, printed, usual, why)
    for given, due in grid.relabelled.items():
        for side, column in ((0, "Model"), (1, "Category")):
            why = "this combination is the only one that is missing"
            where = grid.rows[due]
            yield _compare(
                "Table 1", " ".join(given), column, where.place, given[side], due[side], why
            )
    yield from _missing(published, grid)
    table = published.table(2)
    if table is None:
        return
    labels = unlike_pair([row.cells["Model"] for row in table.rows], list(grid.models))
    for row in table.rows:
        known = labels.get(row.cells["Model"])
        for name, usual in grid.facts[known].items() if known else ():
            if name in row.cells:
                why = f"{usual} stands in Table 1"
                yield _compare(
                    "Table 2", row.cells["Model"], name, row.place, row.cells[name], usual, why
                )


def _missing(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    """Ask for a row of every model and task."""
    first = published.table(1)
    for model in grid.models if first else ():
        for task in grid.tasks:
            if first and (model, task) not in grid.rows:
                label, why = f"{model} {task}", "every other combination has a row"
                yield _compare("Table 1", label, "", first.place, "no row", "a row", why)


def _known(grid: Grid, number: int) -> list[str]:
    if number == 2:
        return list(grid.models)
    if number == 3:
        return list(grid.tasks)
    fact = _LABELS[number]
    return list(dict.fromkeys(grid.facts[model].get(fact, "") for model in grid.models))


def _rows(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    """Compare the rows of Tables 2 to 5 with the models, tasks and facts that Table 1 has."""
    for table in published.tables:
        if table.number not in _LABELS:
            continue
        name, known = _LABELS[table.number], _known(grid, table.number)
        printed = [row.cells[name] for row in table.rows]
        pairs = unlike_pair(printed, known)
        title = f"Table {table.number}"
        for row in table.rows:
            label = row.cells[name]
            due = pairs.get(label, f"one of {', '.join(known)}")
            yield _compare(title, label, name, row.place, label, due, "Table 1 has no such label")
            if printed.count(label) > 1:
                yield _compare(
                    title, label, name, row.place, label, "one row only", "the label is there twice"
                )
        for label in known:
            if label not in pairs.values():
                yield _compare(
                    title, label, name, table.place, "no row", label, "Table 1 has this label"
                )


def _lists(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    for table in published.lists:
        stated = re.search(r"\bTop (\d+)\b", table.part or "")
        if stated:
            rows = len(table.rows)
            # A list of the top 10 of 8 cells has 8 rows.
            due = stated[1] if rows == min(int(stated[1]), len(grid.rows)) else str(rows)
            why = f"the list has {rows} rows"
            yield _compare(
                "Table 6", "heading", "", table.place, stated[1], due, why, part=table.part
            )
        seen: list[tuple[str, str]] = []
        for rank, row in enumerate(table.rows, 1):
            yield from _listed(table, rank, row, seen, grid)
            seen.append((row.cells["Model"], row.cells["Category"]))


def _listed(
    table: Table, rank: int, row: Row, seen: list[tuple[str, str]], grid: Grid
) -> Iterator[WrongFigure]:
    cell = (row.cells["Model"], row.cells["Category"])
    label = " ".join(cell)
    due = label
    why = "Table 1 has this combination"
    if cell not in grid.rows:
        due, why = "a model and category of Table 1", "Table 1 has no such combination"
    elif cell in seen:
        due, why = "another combination", "it is in the list twice"
    yield _compare(
        "Table 6", f"rank {rank}", "Model, Category", row.place, label, due, why, part=table.part
    )


def _counts(published: Published, grid: Grid) -> Iterator[WrongFigure]:
    table = published.table(5)
    if table is None or "Num_Models" not in table.columns:
        return
    labels = unlike_pair([row.cells["Parameters"] for row in table.rows], _known(grid, 5))
    for row in table.rows:
        label = row.cells["Parameters"]
        if label in labels:
            count = str(len(grid.of("Parameters", labels[label])))
            why = f"Table 1 has {count} with these parameters"
            yield _compare(
                "Table 5", label, "Num_Models", row.place, row.cells["Num_Models"], count, why
            )
