"""What models predict without a part of them: files beside a run's measurements."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._frames import to_frame
from cortexscope.store._layout import LESIONED, LOCK
from cortexscope.store._lock import RunLock
from cortexscope.store._schema import ESTIMATES, LESION_VALUES, LESIONS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LesionPlan", "LesionWriter", "Lesions", "lesion_files", "read_lesions"]

_ABOUT = b"cortexscope.lesion"

What = Literal["effects", "estimates", "values"]

_SCHEMAS: dict[What, pa.Schema] = {
    "effects": LESIONS,
    "estimates": ESTIMATES,
    "values": LESION_VALUES,
}


class LesionPlan(NamedTuple):
    """What is taken out of a model, and on what that is measured."""

    model: str
    """Its label."""
    kind: str
    """Of the parts; of values, with the metric."""
    what: What
    """Whether they are taken out, all are estimated, or a metric is measured without them."""
    digest: str
    """Of all that decides the numbers."""
    batches: int
    """Files, when all are there."""

    def file(self, folder: Path, number: int) -> Path:
        """Return where a batch belongs; only a file's columns say what it is of."""
        named = hashlib.sha256(json.dumps([self.model, self.kind]).encode()).hexdigest()
        return folder / LESIONED / f"{named[:12]}-{number:05d}-{self.what}.parquet"

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.model, self.kind, self.what

    def is_of(self, other: LesionPlan) -> bool:
        """Return whether both are of the same parts of the same model, however measured."""
        return self._key == other._key


class LesionWriter:
    """The one writer of what parts of a run's models are needed for, which locks it meanwhile.

    Args:
        path: the run folder.

    Raises:
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RunLock(path / LOCK)

    def __enter__(self) -> LesionWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def done(self, plan: LesionPlan) -> frozenset[int]:
        """Return the numbers of the batches that are there; files of another plan are removed."""
        found = set()
        for file in lesion_files(self._path, plan.what):
            about = _about(file)
            if about is None or not about.plan.is_of(plan):
                continue
            if about.plan == plan:
                found.add(about.number)
            else:
                file.unlink()
        return frozenset(found)

    def write(self, plan: LesionPlan, number: int, table: pa.Table) -> None:
        """Write a batch.

        Args:
            plan: what is taken out.
            number: of the batch, from 0.
            table: in the columns of `LESIONS`, `ESTIMATES` or `LESION_VALUES`.
        """
        about = {_ABOUT: json.dumps({**plan._asdict(), "number": number}).encode()}
        rows = table.cast(_SCHEMAS[plan.what]).replace_schema_metadata(about)
        with whole_file(plan.file(self._path, number)) as part:
            pq.write_table(rows, part, compression="zstd")

    def read(self, plan: LesionPlan) -> pd.DataFrame:
        """Return what is there of a plan."""
        numbers = sorted(self.done(plan))
        files = [plan.file(self._path, number) for number in numbers]
        return _joined(files, _SCHEMAS[plan.what])


class Lesions(NamedTuple):
    """What is there of models without parts of them, whole kinds of parts alone."""

    effects: pd.DataFrame
    """The columns of `LESIONS`."""
    estimates: pd.DataFrame
    """The columns of `ESTIMATES`."""
    values: pd.DataFrame
    """The columns of `LESION_VALUES`."""


def lesion_files(path: Path, what: What | Literal["*"] = "*") -> list[Path]:
    """Return a run's files of models without parts of them, sorted by name."""
    return sorted((path / LESIONED).glob(f"[!.]*-{what}.parquet"))


def read_lesions(path: Path) -> Lesions:
    """Return what a run folder has of models without parts of them.

    Raises:
        CorruptRunError: if a file is damaged.
    """
    plans: defaultdict[LesionPlan, list[Path]] = defaultdict(list)
    for file in lesion_files(path):
        about = _about(file)
        if about is None:
            raise _damaged(file, "is damaged")
        plans[about.plan].append(file)
    whole = {plan: files for plan, files in plans.items() if len(files) == plan.batches}
    return Lesions(
        *(
            _joined([f for plan, files in whole.items() if plan.what == what for f in files], own)
            for what, own in _SCHEMAS.items()
        )
    )


def _joined(files: list[Path], schema: pa.Schema) -> pd.DataFrame:
    tables = [schema.empty_table()]
    for file in files:
        try:
            tables.append(read_columns(file, schema=schema).cast(schema))
        except FileFault as fault:
            raise _damaged(file, str(fault)) from fault
    return to_frame(pa.concat_tables(tables))


def _damaged(file: Path, what: str) -> CorruptRunError:
    return CorruptRunError(
        f"{file} {what}; remove it, and `cortexscope lesion` with --resume, asked for the same, "
        "makes it again."
    )


class _About(NamedTuple):
    plan: LesionPlan
    number: int


def _about(file: Path) -> _About | None:
    """Return what a file says of its plan, None where it is damaged."""
    try:
        metadata = pq.read_schema(file).metadata or {}
        found = json.loads(metadata[_ABOUT])
        return _About(LesionPlan(*(found[name] for name in LesionPlan._fields)), found["number"])
    except (OSError, pa.ArrowException, ValueError, KeyError):
        return None
