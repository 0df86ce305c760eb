"""Files beside a run's measurements: written part by part by one writer, each part whole."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._frames import to_frame
from cortexscope.store._layout import LOCK
from cortexscope.store._lock import RunLock
from cortexscope.store._schema import WRITTEN

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SidePlan", "SideWriter", "read_side_files", "side_files"]


@dataclass(frozen=True, slots=True)
class SidePlan(ABC):
    """What a file beside the measurements is of; it is written into the file, and read from there.

    A kind of such files is a subclass, whose fields are texts and whole numbers.
    """

    folder: ClassVar[str]
    """Where the kind's files are, in a run folder."""
    verb: ClassVar[str]
    """Of the command line, which makes them."""
    about: ClassVar[bytes]
    """The key under which a file says what it is of."""
    schemas: ClassVar[Mapping[str, pa.Schema]]
    """The tables of the kind, each in files of its own."""

    @property
    @abstractmethod
    def named(self) -> tuple[str, ...]:
        """What the names of the files tell apart; of another plan of the same name they go."""

    @property
    @abstractmethod
    def tables(self) -> tuple[str, ...]:
        """Those of `schemas` that each part has; a part counts once the first is there."""

    @property
    @abstractmethod
    def parts(self) -> int:
        """How many there are, when all are."""

    def file(self, path: Path, number: int, table: str) -> Path:
        """Return where a part belongs; only what a file says of itself tells what it is of."""
        named = hashlib.sha256(json.dumps(self.named).encode()).hexdigest()
        return path / self.folder / f"{named[:12]}-{number:05d}-{table}.parquet"

    def is_of(self, other: SidePlan) -> bool:
        """Return whether both are of the same, however it was measured."""
        return (self.named, self.tables) == (other.named, other.tables)


_Plan = TypeVar("_Plan", bound=SidePlan)


class SideWriter:
    """The one writer of files beside a run's measurements, which locks the run meanwhile.

    Args:
        path: the run folder.

    Raises:
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RunLock(path / LOCK)

    def __enter__(self) -> SideWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def done(self, plan: SidePlan) -> frozenset[int]:
        """Return the numbers of the parts that are there; files of another plan are removed."""
        found = set()
        for file in side_files(type(plan), self._path, plan.tables[0]):
            about = _about(type(plan), file)
            if about is None or not about[0].is_of(plan):
                continue
            known, number = about
            rest = (plan.file(self._path, number, table) for table in plan.tables[1:])
            if known == plan and all(map(Path.is_file, rest)):
                found.add(number)
            else:
                file.unlink()
        return frozenset(found)

    def write(self, plan: SidePlan, number: int, *tables: pa.Table) -> None:
        """Write a part.

        Args:
            plan: what it is of.
            number: of the part, from 0.
            tables: those of the plan, each in the columns of its schema.
        """
        about = {plan.about: json.dumps({**asdict(plan), "number": number}).encode()}
        for name, table in reversed([*zip(plan.tables, tables, strict=True)]):
            rows = table.cast(plan.schemas[name]).replace_schema_metadata(about)
            with whole_file(plan.file(self._path, number, name)) as part:
                pq.write_table(rows, part, **WRITTEN)

    def read(self, plan: SidePlan) -> pd.DataFrame:
        """Return what is there of a plan's first table."""
        name = plan.tables[0]
        files = [plan.file(self._path, number, name) for number in sorted(self.done(plan))]
        return _joined(type(plan), name, files)


def side_files(kind: type[SidePlan], path: Path, table: str = "*") -> list[Path]:
    """Return a run's files of a kind, or of one of its tables, sorted by name."""
    return sorted((path / kind.folder).glob(f"[!.]*-{table}.parquet"))


def read_side_files(kind: type[_Plan], path: Path) -> Iterator[pd.DataFrame]:
    """Yield the tables of a kind, in the order of its schemas; of plans with all parts alone.

    Raises:
        CorruptRunError: if a file is damaged.
    """
    files: dict[_Plan, list[int]] = {}
    for file in side_files(kind, path):
        about = _about(kind, file)
        if about is None:
            raise _damaged(kind, file, "is damaged")
        plan, number = about
        numbers = files.setdefault(plan, [])
        if file == plan.file(path, number, plan.tables[0]):
            numbers.append(number)
    whole = {plan: numbers for plan, numbers in files.items() if len(numbers) == plan.parts}
    for name in kind.schemas:
        own = [
            plan.file(path, number, name)
            for plan, numbers in whole.items()
            for number in numbers
            if name in plan.tables
        ]
        yield _joined(kind, name, own)


def _joined(kind: type[SidePlan], name: str, files: Sequence[Path]) -> pd.DataFrame:
    schema = kind.schemas[name]
    tables = [schema.empty_table()]
    for file in files:
        try:
            tables.append(read_columns(file, schema=schema).cast(schema))
        except FileFault as fault:
            raise _damaged(kind, file, str(fault)) from fault
    return to_frame(pa.concat_tables(tables))


def _damaged(kind: type[SidePlan], file: Path, what: str) -> CorruptRunError:
    return CorruptRunError(
        f"{file} {what}; remove it, and `cortexscope {kind.verb}` with --resume, asked for the "
        "same, makes it again."
    )


def _about(kind: type[_Plan], file: Path) -> tuple[_Plan, int] | None:
    """Return what a file says of its plan, and its number; None where it is damaged."""
    try:
        metadata = pq.read_schema(file).metadata or {}
        found = json.loads(metadata[kind.about])
        plan = kind(**{field.name: found[field.name] for field in fields(kind)})
        return plan, int(found["number"])
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None
