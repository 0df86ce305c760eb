"""Read a suite from a file or a folder, of YAML, of rows or of texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from cortexscope.errors import SuiteError, UsageError
from cortexscope.tasks._gathering import Gathering
from cortexscope.tasks._reading import Document, plain_name
from cortexscope.tasks._rows import Table
from cortexscope.tasks._sampling import sampled
from cortexscope.tasks._suite import Suite, Task, with_one_type
from cortexscope.tasks._yaml import read_yaml
from cortexscope.tasks.sources import (
    ENDINGS,
    Raw,
    ReadOptions,
    Source,
    format_of,
    kept,
    pieces_of,
    piped,
    rows_of,
    stem_of,
)
from cortexscope.tasks.sources.text import whole

__all__ = ["is_there", "read_path", "read_stdin", "refuse_reading"]

_YAML = (".yaml", ".yml")
_SAVED = ("state.json", "dataset_dict.json")
"""Files that tell a folder of `Dataset.save_to_disk`."""
_ANY = ("limit", "per_task", "limit_seed", "skip_bad_rows")
"""Options that any suite may be read with."""
_UNTYPED = ("csv", "tsv", "text")
"""Formats in which a number is written as text is."""


def is_there(path: Path) -> bool:
    """Return whether a path exists; one that no file can have does not."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def refuse_reading(options: ReadOptions, what: str) -> None:
    """Check that no option was given that only rows of a file have a use for.

    Raises:
        UsageError: if one was.
    """
    plain = ReadOptions()
    for option in fields(options):
        value = getattr(options, option.name)
        if option.name not in _ANY and value != getattr(plain, option.name):
            raise UsageError(
                f"{option.name} was given, and {what} has no columns or rows to be read by it; "
                "give a file of rows, or leave it out."
            )


def read_path(path: Path, options: ReadOptions) -> Suite:
    """Return the suite in a file or a folder.

    Raises:
        UsageError: if an option does not go with it.
        SuiteError: if the content is wrong.
    """
    if path.is_dir():
        return _folder(path, options)
    if not path.is_file():
        with kept(piped(path), str(path), options.encoding) as source:
            return _of_source(source, options)
    if path.suffix.lower() in _YAML:
        refuse_reading(options, f"{path} is YAML, which")
        return sampled(_joined(path, [read_yaml(path)]), options)
    if format_of(path) is None and options.format is None and path.suffix:
        raise SuiteError(
            f"{path} has the ending {path.suffix!r}, which tells no format; say which it is with "
            f"--format, or rename it to end in {', '.join((*_YAML, *ENDINGS))}."
        )
    return _of_source(Source(path, str(path), stem_of(path), options.encoding), options)


def read_stdin(options: ReadOptions) -> Suite:
    """Return the suite of the rows that come from standard input.

    Raises:
        SuiteError: if the content is wrong.
    """
    with kept(pieces_of(sys.stdin.buffer), "standard input", options.encoding) as source:
        return _of_source(source, options)


def _of_source(source: Source, options: ReadOptions) -> Suite:
    gathering = Gathering(options)
    gathering.add(_table(source, options))
    return gathering.suite(source.name)


def _table(source: Source, options: ReadOptions) -> Table:
    known = options.format or format_of(source.path)
    return Table(source.shown, source.name, rows_of(source, options), typed=known not in _UNTYPED)


def _folder(path: Path, options: ReadOptions) -> Suite:
    """Return the suite of a folder: its YAML files, or all its tables and texts."""
    if any((path / name).is_file() for name in _SAVED):
        from cortexscope.tasks._datasets import load_saved

        return load_saved(path, options)
    files = [file for file in _visible(path) if file.suffix.lower() in _YAML]
    own = [file for file in files if file.parent == path]
    rows = [file for file in _visible(path) if format_of(file) is not None and file.is_file()]
    if own:
        refuse_reading(options, f"{path} is a folder of YAML files, which")
        return sampled(_joined(path, [read_yaml(file) for file in own]), options)
    if not rows:
        raise SuiteError(
            f"The folder {path} holds no file of a suite; give one with files that end in "
            f"{', '.join((*_YAML, *ENDINGS))}, or the path of one file."
        )
    gathering = Gathering(options)
    texts = [file for file in rows if format_of(file) == "text"]
    if texts:
        gathering.add(
            Table(str(path), path.name, _texts(path, texts, options), typed=True, whole=True)
        )
    for file in rows:
        if file not in texts:
            name = _under(path, file)
            gathering.add(_table(Source(file, str(file), name, options.encoding), options))
    return gathering.suite(path.resolve().name)


def _visible(path: Path) -> list[Path]:
    return sorted(
        file
        for file in path.rglob("*")
        if not any(part.startswith(".") for part in file.relative_to(path).parts)
        # A folder that is named like a file is said to be one; a pipe would never end.
        and (file.is_file() or file.is_dir())
    )


def _under(folder: Path, file: Path) -> str:
    """Return the name of a file below a folder, with a slash a folder, without its ending."""
    inside = file.relative_to(folder)
    return (inside.parent / stem_of(file)).as_posix()


def _texts(folder: Path, files: Sequence[Path], options: ReadOptions) -> Iterator[Raw]:
    """Yield each text file as a prompt, its task the folder that it lies in."""
    for number, file in enumerate(files, start=1):
        inside = file.relative_to(folder).parent.as_posix()
        beside = {
            "id": plain_name(_under(folder, file)),
            "task": plain_name(folder.resolve().name if inside == "." else inside),
        }
        source = Source(file, str(file), stem_of(file), options.encoding)
        try:
            yield Raw(number, {**beside, **whole(source).values})
        except SuiteError as error:
            yield Raw(number, {}, str(error).rstrip("."))


def _joined(path: Path, documents: Sequence[Document]) -> Suite:
    first = documents[0]
    tasks: dict[str, Task] = {}
    task_places: dict[str, str] = {}
    id_places: dict[str, str] = {}
    for document in documents:
        for key in ("name", "version"):
            ours, theirs = getattr(document, key), getattr(first, key)
            if ours != theirs:
                raise SuiteError(
                    f"{document.file} has the suite {key} {ours!r} and {first.file} {theirs!r}; "
                    "write the same in every file of the folder."
                )
        for section in document.sections:
            if section.task in tasks:
                raise SuiteError(
                    f"{section.place}: task {section.task!r} is also at "
                    f"{task_places[section.task]}; keep each task in one file."
                )
            for prompt in section.prompts:
                line = (prompt.source or "").rpartition(":")[2]
                place = f"{document.file}:{line}"
                if prompt.id in id_places:
                    raise SuiteError(
                        f"{place}: the id {prompt.id!r} is already taken at "
                        f"{id_places[prompt.id]}; give each prompt its own id."
                    )
                id_places[prompt.id] = place
            tasks[section.task] = Task(section.task, section.description, section.prompts)
            task_places[section.task] = str(section.place)
    if not tasks:
        raise SuiteError(f"{path} has no prompts; write at least one.")
    return Suite(first.name, first.version, with_one_type(list(tasks.values())))
