"""Data sets of the Hugging Face hub as suites: what is asked for, and which rows become prompts.

`datasets:sst2,squad@200` is a suite of two tasks, the second with 200 prompts; `datasets:all` has
every row of `datasets.yaml`; `datasets:sst2=PATH` reads a local copy in the data set's own columns.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field

from cortexscope.errors import SuiteError, UnknownNameError, UsageError
from cortexscope.records import Prompt
from cortexscope.registry import suggestion
from cortexscope.tasks._attributes import Kinds, cast
from cortexscope.tasks._columns import Columns
from cortexscope.tasks._copies import Copy, open_copy
from cortexscope.tasks._filters import Absent
from cortexscope.tasks._gathering import Gathering
from cortexscope.tasks._rows import Table
from cortexscope.tasks._sampling import sampled
from cortexscope.tasks._suite import Suite, Task
from cortexscope.tasks._templates import Template
from cortexscope.tasks.sources import Raw, ReadOptions

__all__ = ["DataSet", "data_sets", "load_data_sets", "load_saved"]

_OPTIONS = ("columns", "template", "limit", "per_task", "limit_seed")

_ALL = "all"
# A comma ends a path only where a further name follows.
_BETWEEN = re.compile(r",(?=\s*[A-Za-z][\w-]*\s*(?:@[^,=]*)?(?:=|,|$))")
_ASKED = re.compile(r"(?P<name>[^@=]*)(?:@(?P<samples>[^=]*))?(?:=(?P<path>.*))?", re.DOTALL)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSet(_Record):
    """One row of `datasets.yaml`."""

    name: str
    """What it is called in `datasets:NAME`, and what its prompts' ids begin with."""
    hub: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Its id on the hub."""
    config: str
    split: str
    text: str
    """Template of the prompt."""
    target: str | None = None
    """Template of what an encoder-decoder's decoder reads."""
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The names of a column's numbers, in order."""
    samples: int = Field(ge=1)
    """How many rows become prompts."""
    seed: int
    licence: str | None = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")
    """SPDX; None where its owner states none, or not one for all of it."""
    task: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    group: str | None = None
    """A name that stands for this row and others."""
    note: str | None = None
    """What a user should know before fetching it."""


class _Catalog(_Record):
    version: str
    rows: dict[str, DataSet]


class _Request(NamedTuple):
    row: DataSet
    samples: int
    path: str | None


class _Sample(NamedTuple):
    prompts: tuple[Prompt, ...]
    skipped: int
    reason: str
    """Why the first skipped row was, empty where none was."""


@functools.cache
def _catalog() -> _Catalog:
    text = files("cortexscope.tasks").joinpath("datasets.yaml").read_text(encoding="utf-8")
    raw = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    rows = {name: {"name": name, **facts} for name, facts in raw["rows"].items()}
    return _Catalog.model_validate({**raw, "rows": rows})


def data_sets() -> dict[str, DataSet]:
    """Return the data sets that can be read as suites, by name, in the order of the table.

    Example:
        >>> data_sets()["squad"].hub
        'rajpurkar/squad'
    """
    return dict(_catalog().rows)


def load_data_sets(asked: str, options: ReadOptions) -> Suite:
    """Return the suite of some data sets, each of which is a task.

    The rows are chosen by a hash of the seed and the row's number, so that they are the same on
    every machine, and a larger sample holds the smaller ones. A row that lacks a value, or whose
    text is empty, is skipped, and the task's description says how many were.

    Args:
        asked: what follows `datasets:`: names, or groups, or `all`, joined by commas; each may be
            followed by `@N`, the number of prompts, and by `=PATH`, a local copy.
        options: columns and template stand in place of the table's, and a limit is one on all.

    Raises:
        UnknownNameError: if there is no such data set; the message holds the nearest ones.
        UsageError: if a request is malformed or names a data set twice, or `datasets` is missing.
        SuiteError: if a copy cannot be read, or lacks a column, or no row gives a prompt.
        CortexscopeError: if a data set cannot be fetched.
    """
    parts = [part.strip() for part in _BETWEEN.split(asked)]
    requests = [request for part in parts for request in _requests(part)]
    names = [request.row.name for request in requests]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"The data set {name!r} is named twice; leave one of them out.")
    for option in fields(options):
        own = getattr(options, option.name) == getattr(ReadOptions(), option.name)
        if option.name not in _OPTIONS and not own:
            raise UsageError(
                f"{option.name} was given, and data sets are read by the package datasets, which "
                "has no use for it; leave it out."
            )
    columns = Columns.parse(options.columns or {}, options.template)
    tasks = tuple(_task(request, columns) for request in requests)
    shown = ",".join(part.partition("=")[0].strip() for part in parts)
    return sampled(Suite(f"datasets:{shown}", _catalog().version, tasks), options)


def load_saved(path: Path, options: ReadOptions) -> Suite:
    """Return the suite of a folder that `Dataset.save_to_disk` wrote, read as any rows are.

    Raises:
        UsageError: if `datasets` is missing.
        SuiteError: if the folder cannot be read, or its rows give no prompts.
    """
    gathering = Gathering(options)
    with open_copy(path.name, "", "", "", path=str(path)) as copy:
        rows = (Raw(number, row) for number, row in enumerate(copy.dataset, start=1))
        gathering.add(Table(str(path), path.name, rows, typed=True))
        return gathering.suite(path.name)


def _requests(part: str) -> Iterator[_Request]:
    match = _ASKED.fullmatch(part)
    assert match is not None  # the pattern takes any text
    name, samples, path = match["name"].strip(), match["samples"], match["path"]
    rows = [row for row in data_sets().values() if name in (row.name, row.group, _ALL)]
    if not rows:
        known = {_ALL, *data_sets(), *(row.group for row in data_sets().values() if row.group)}
        hint = suggestion(name, known, listed_by="cortexscope tasks datasets")
        raise UnknownNameError(f"There is no data set {name!r}; {hint}")
    if samples is not None and not (samples.strip().isdecimal() and int(samples) > 0):
        raise UsageError(
            f"The number of prompts in {part!r} is {samples!r}; write a whole number above 0 "
            f"behind the @, such as {name}@200."
        )
    if path is not None and not path.strip():
        raise UsageError(f"{part!r} names no path; write {name}=PATH, or leave the = out.")
    for row in rows:
        yield _Request(row, row.samples if samples is None else int(samples), path)


def _task(request: _Request, asked: Columns) -> Task:
    row = request.row
    own = {"text": Template(row.text)} | ({"target": Template(row.target)} if row.target else {})
    columns = asked if asked.tells_text else asked.over(own)
    with open_copy(row.name, row.hub, row.config, row.split, path=request.path) as copy:
        if not asked.tells_text:
            _check_columns(row, copy, columns)
        sample = _sample(row, copy, columns, request.samples)
    if not sample.prompts:
        raise SuiteError(
            f"No row of {copy.place} gives a prompt of data set {row.name!r} ({sample.reason}); "
            f"give a copy of {row.hub} with its own columns."
        )
    kinds = Kinds()
    for prompt in sample.prompts:
        kinds.add(prompt, typed=True)
    types = kinds.types(asked.attributes)
    prompts = tuple(cast(prompt, types) for prompt in sample.prompts)
    skipped = ""
    if sample.skipped:
        skipped = f", {sample.skipped} skipped, the first as {sample.reason}"
    count = f"{len(prompts)} of {copy.rows} rows of {copy.place}, seed {row.seed}{skipped}"
    return Task(row.task, f"{row.description} ({count})", prompts)


def _check_columns(row: DataSet, copy: Copy, columns: Columns) -> None:
    missing = sorted({name for one in columns.expressions() for name in one.missing(copy.columns)})
    if missing:
        what = "the column" if len(missing) == 1 else "the columns"
        raise SuiteError(
            f"{copy.place} lacks {what} {', '.join(map(repr, missing))} of data set {row.name!r} "
            f"and has {', '.join(copy.columns) or 'none'}; give a copy of {row.hub} "
            f"({row.config}) with its own columns."
        )
    if not copy.rows:
        raise SuiteError(
            f"{copy.place} has no rows for data set {row.name!r}; give a copy that has some."
        )


def _sample(row: DataSet, copy: Copy, columns: Columns, samples: int) -> _Sample:
    found: dict[int, Prompt] = {}
    reasons: list[str] = []
    needed = sorted(columns.used(copy.columns) | set(row.labels).intersection(copy.columns))
    for number in _order(copy.rows, row.seed):
        if len(found) == samples:
            break
        values = copy.row(number, needed)
        labels = {
            name: _name(values[name], row.labels[name]) for name in row.labels if name in values
        }
        values |= labels
        fields = columns.read(values)
        try:
            if fields.fault is not None:
                raise Absent(fields.fault)
            prompt = _clean((fields.text or "").strip())
        except Absent as error:
            reasons.append(f"{error} in row {number}")
            continue
        found[number] = Prompt(
            id=f"{row.name}-{number}",
            task=row.task,
            text=prompt,
            source=f"{copy.source}:{number}",
            target=_target(fields.target),
            attributes=fields.attributes or labels,
        )
    prompts = tuple(found[number] for number in sorted(found))
    return _Sample(prompts, len(reasons), reasons[0] if reasons else "")


def _order(rows: int, seed: int) -> list[int]:
    # Hashes, as the random numbers of a library may change between its versions.
    def rank(number: int) -> bytes:
        return hashlib.sha256(f"{seed}:{number}".encode("ascii")).digest()

    return sorted(range(rows), key=rank)


def _name(value: Any, names: tuple[str, ...]) -> str | None:  # noqa: ANN401 - of any column
    """Return the name of a label, None where it has none, as -1 for an unknown one."""
    if value in names:
        return str(value)
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return names[number] if 0 <= number < len(names) and number == float(value) else None


def _target(text: str | None) -> str | None:
    try:
        # The first line of a program keeps its indentation.
        return None if text is None else _clean(text.strip("\r\n").rstrip())
    except Absent:
        return None


def _clean(text: str) -> str:
    if not text.strip():
        raise Absent("the text is empty")
    if "\0" in text:
        raise Absent("the text holds a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Absent("the text holds half of a surrogate pair") from error
    return text
