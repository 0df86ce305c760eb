"""The tables of a run as a reader of each format finds them: headings and cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from typing import Any

import openpyxl

from cortexscope.report import build_tables, tables_as, write_html, write_tables
from cortexscope.store import Run

KEYS = (
    *("complete", "models", "categories", "architectures", "scale", "top", "metrics"),
    "task_effects",
)
LISTS = 5
"""Of Table 6."""
Grid = tuple[list[str], list[list[str]]]
"""The headings of a part, and its rows; as the format writes them."""


def _csv(run: Run) -> Iterator[list[Grid]]:
    paths = [path for path in write_tables(run, formats=["csv"]) if path.suffix == ".csv"]
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            heads, *rows = list(csv.reader(file))
        # All digits stand in the file.
        yield [(heads, [[_exact(cell) for cell in row] for row in rows])]


def _exact(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _xlsx(run: Run) -> Iterator[list[Grid]]:
    (path,) = write_tables(run, formats=["xlsx"])
    book = openpyxl.load_workbook(path)
    for number in range(1, len(KEYS) + 1):
        heads, *rows = [list(row) for row in book[f"Table {number}"].iter_rows(values_only=True)]
        yield [(list(map(str, heads)), rows)]


def _markdown(run: Run) -> Iterator[list[Grid]]:
    for table in build_tables(run):
        lines = tables_as([table], "markdown").split("\n")
        grids: list[Grid] = []
        for before, line in zip(["", *lines], lines, strict=False):
            if not line.startswith("|") or line.startswith("| ---"):
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            cells = [re.sub(r"\\(.)", r"\1", cell) for cell in cells]
            if not before.startswith("|"):
                grids.append((cells, []))
            else:
                grids[-1][1].append(cells)
        yield grids


def _latex(run: Run) -> Iterator[list[Grid]]:
    for table in build_tables(run):
        grids: list[Grid] = []
        after = ""
        for line in tables_as([table], "latex").split("\n"):
            cells = [cell.strip().strip("{}") for cell in line.removesuffix(r" \\").split(" & ")]
            cells = [re.sub(r"\\([_&%#])", r"\1", cell) for cell in cells]
            if line.startswith("\\"):
                # A table over pages has its headings twice.
                if line == "\\toprule" and after != "\\endfirsthead":
                    grids.append(([], []))
                after = line
            elif after == "\\toprule":
                grids[-1][0][:] = [cell.replace(" ", "_") for cell in cells]
            elif after in ("\\midrule", "\\endfoot") and line.endswith(r"\\"):
                grids[-1][1].append(cells)
        yield grids


def _text(run: Run) -> Iterator[list[Grid]]:
    for table in build_tables(run):
        grids: list[Grid] = []
        lines = tables_as([table], "text").split("\n")[2:]
        ends: list[int] = []
        for line in lines:
            if line.startswith("Note:"):
                break
            if not line or line.endswith(":"):
                ends = []
            elif table.key == "categories":
                # Its first column stands on the left, with its heading in a line of its own.
                if not ends:
                    ends = [1]
                    grids.append((["Category", *line.split()], []))
                elif line.strip() != "Category":
                    grids[-1][1].append(line.split())
            elif not ends:
                ends = [found.end() for found in re.finditer(r"\S+", line)]
                grids.append((line.split(), []))
            else:
                spans = zip([0, *ends], [*ends[:-1], len(line)], strict=False)
                grids[-1][1].append([line[start:end].strip() for start, end in spans])
        yield grids


class _Tables(HTMLParser):
    """The tables of a page by key, each cell as its title says it, or its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Grid] = {}
        self._key, self._inside, self._title = "", "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "table":
            self._key = str(named.get("data-key"))
            self.found[self._key] = ([], [])
        elif tag in ("thead", "tbody"):
            self._inside = tag
        elif tag == "tr" and self._inside == "tbody":
            self.found[self._key][1].append([])
        elif tag in ("td", "th"):
            # A number has all its digits there, a heading what it means.
            self._title = named.get("title") or "" if tag == "td" else ""
            self._cells.append("")

    def handle_data(self, data: str) -> None:
        if self._inside and self._cells:
            self._cells[-1] = self._title or self._cells[-1] + data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("thead", "tbody"):
            self._inside = ""

    @property
    def _cells(self) -> list[str]:
        heads, rows = self.found.get(self._key, ([], []))
        if self._inside == "thead":
            return heads
        return rows[-1] if self._inside == "tbody" and rows else []


def _page(text: str) -> list[list[Grid]]:
    page = _Tables()
    page.feed(text)
    made = []
    for key in KEYS:
        keys = [key] if key in page.found else [f"{key}-{n}" for n in range(1, LISTS + 1)]
        grids = [page.found[name] for name in keys]
        made.append([([head.replace(" ", "_") for head in heads], rows) for heads, rows in grids])
    return made


def _html(run: Run) -> Iterable[list[Grid]]:
    return _page(tables_as(build_tables(run), "html"))


def _report(run: Run) -> Iterable[list[Grid]]:
    return _page(write_html(run).read_text(encoding="utf-8"))


FORMS: dict[str, Callable[[Run], Iterable[list[Grid]]]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "markdown": _markdown,
    "latex": _latex,
    "text": _text,
    "html": _html,
    "report": _report,
}
