"""The study's files as a user gives them: the file of its tables, and its spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cortexscope.audit._published import Published, read_published
from cortexscope.audit._records import GivenFile
from cortexscope.audit._script import Script, read_script
from cortexscope.audit._workbook import Workbook, open_workbook, read_workbook
from cortexscope.errors import UsageError

__all__ = ["Given", "read_given"]

_SUFFIXES = (".txt", ".xlsx")


@dataclass(frozen=True, slots=True)
class Given:
    """What was given of the study."""

    published: Published | None = None
    """The file that Table 1 is in."""
    workbooks: tuple[Workbook, ...] = ()
    """The spreadsheets that it is not in."""
    script: Script | None = None
    """The study's script."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Of Table 1."""
        first = self.published.table(1) if self.published else None
        return first.columns if first else ()

    @property
    def titles(self) -> tuple[tuple[int, str], ...]:
        """The number and title of each table, as the file has them: a number may stand twice."""
        tables = self.published.tables if self.published else ()
        return tuple((table.titled, table.title) for table in tables if table.title)

    @property
    def dates(self) -> dict[str, str]:
        """When a file says that it was made, by its name."""
        found = {}
        if self.published is not None and "Generated" in self.published.headings:
            found[self.published.path.name] = self.published.headings["Generated"][0]
        for book in self.workbooks:
            for row in (row for sheet in book.sheets for row in sheet.rows):
                if row[:1] == ("Analysis Date",) and len(row) > 1:
                    found[book.path.name] = str(row[1])
        return found

    @property
    def files(self) -> tuple[GivenFile, ...]:
        """Each file, and what it holds."""
        files: list[tuple[Published | Workbook | Script, str]] = []
        if self.published is not None:
            tables = sorted({table.number for table in self.published.tables})
            names = f"Table{'s' if len(tables) > 1 else ''} {', '.join(map(str, tables))}"
            files.append((self.published, names))
        for book in self.workbooks:
            files.append((book, f"{len(book.sheets)} sheets, none of them one of the tables"))
        if self.script is not None:
            files.append((self.script, "a Python script"))
        return tuple(GivenFile(file.path.name, file.sha256, holds) for file, holds in files)


def read_given(paths: Sequence[Path]) -> Given:
    """Return the study's files; a folder stands for the text files and spreadsheets in it.

    Raises:
        UsageError: if a file cannot be read, is none of the study's, or there are two of it.
    """
    published: Published | None = None
    script: Script | None = None
    workbooks: list[Workbook] = []
    for path in _files(paths):
        try:
            if path.suffix == ".py":
                if script is not None:
                    raise UsageError(
                        f"Both {script.path} and {path} are scripts, and the study has one; give "
                        "one of them."
                    )
                script = read_script(path)
                continue
            with path.open("rb") as file:
                zipped = file.read(4) == b"PK\x03\x04"
            sheets = open_workbook(path) if zipped else None
            found = read_published(path, sheets)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(f"{path} cannot be read: {why}.") from error
        if found is None:
            own = next((book for book in workbooks if book.path.name == path.name), None)
            if own is not None:
                raise UsageError(
                    f"Both {own.path} and {path} are called {path.name}, by which the study names "
                    "its spreadsheets; give one of them."
                )
            workbooks.append(read_workbook(path, sheets or ()))
        elif published is not None:
            raise UsageError(f"Both {published.path} and {path} hold Table 1; give one of them.")
        else:
            published = found
    return Given(published, tuple(workbooks), script)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            own = sorted(
                file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file()
            )
            if not own:
                raise UsageError(
                    f"The folder {path} has no .txt or .xlsx file; give the study's files, such as "
                    "llm_brain_analysis_tables_....txt."
                )
            files.extend(own)
        elif path.is_file():
            files.append(path)
        else:
            raise UsageError(
                f"There is no file {path}; give the study's text file of Tables 1 to 6 "
                "(llm_brain_analysis_tables_....txt), or its spreadsheets."
            )
    return list(dict.fromkeys(files))
