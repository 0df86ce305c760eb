"""What pairs of models make of the same prompts: files beside a run's measurements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cortexscope.errors import CorruptRunError
from cortexscope.files import whole_file
from cortexscope.store._contents import FileFault, read_columns
from cortexscope.store._frames import to_frame
from cortexscope.store._layout import LOCK, PAIRED
from cortexscope.store._lock import RunLock
from cortexscope.store._schema import DRIFTS, PAIRS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PairPlan", "PairWriter", "Pairs", "pair_files", "read_pairs"]

_ABOUT = b"cortexscope.pair"
_PREDICTIONS, _DRIFTS = "predictions", "drifts"


class PairPlan(NamedTuple):
    """Which two models are compared, and on what."""

    base: str
    """The label of the one that the other is compared with."""
    model: str
    """The label of the other."""
    digest: str
    """Of all that decides the numbers."""
    shards: int
    """Files of each kind, when all are there."""

    def file(self, folder: Path, number: int, kind: str) -> Path:
        """Return where a shard belongs; only a file's columns say which models it is of."""
        named = hashlib.sha256(json.dumps([self.base, self.model]).encode()).hexdigest()
        return folder / PAIRED / f"{named[:12]}-{number:05d}-{kind}.parquet"


class PairWriter:
    """The one writer of a run's pairs of models, which locks the run meanwhile.

    Args:
        path: the run folder.

    Raises:
        RunLockedError: if another process is writing there.
        StoreError: if the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RunLock(path / LOCK)

    def __enter__(self) -> PairWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def done(self, plan: PairPlan) -> frozenset[int]:
        """Return the numbers of the shards that are there; files of another plan are removed."""
        found = set()
        for file in pair_files(self._path, _PREDICTIONS):
            about = _about(file)
            if about is None or (about["base"], about["model"]) != (plan.base, plan.model):
                continue
            number, same = int(about["number"]), about["digest"] == plan.digest
            if same and plan.file(self._path, number, _DRIFTS).is_file():
                found.add(number)
            else:
                file.unlink()
        return frozenset(found)

    def write(self, plan: PairPlan, number: int, predictions: pa.Table, drifts: pa.Table) -> None:
        """Write a shard.

        Args:
            plan: of the two models.
            number: of the shard, from 0.
            predictions: in the columns of `PAIRS`.
            drifts: in those of `DRIFTS`.
        """
        about = {_ABOUT: json.dumps({**plan._asdict(), "number": number}).encode()}
        # A shard counts once the last of its files is there.
        for kind, table in (
            (_DRIFTS, drifts.cast(DRIFTS)),
            (_PREDICTIONS, predictions.cast(PAIRS)),
        ):
            with whole_file(plan.file(self._path, number, kind)) as part:
                pq.write_table(table.replace_schema_metadata(about), part, compression="zstd")


class Pairs(NamedTuple):
    """What is there of pairs of models, those left out of which shards are missing."""

    predictions: pd.DataFrame
    """The columns of `PAIRS`."""
    drifts: pd.DataFrame
    """The columns of `DRIFTS`."""


def pair_files(path: Path, kind: str = "*") -> list[Path]:
    """Return a run's files of pairs of models, sorted by name."""
    return sorted((path / PAIRED).glob(f"[!.]*-{kind}.parquet"))


def read_pairs(path: Path) -> Pairs:
    """Return what a run folder has of pairs of models.

    Raises:
        CorruptRunError: if a file is damaged.
    """
    plans: dict[tuple[str, str], list[Path]] = {}
    shards: dict[tuple[str, str], int] = {}
    for file in pair_files(path, _PREDICTIONS):
        about = _about(file)
        if about is None:
            raise _damaged(file, "is damaged")
        key = str(about["base"]), str(about["model"])
        plans.setdefault(key, []).append(file)
        shards[key] = int(about["shards"])
    whole = [file for key, files in plans.items() if len(files) == shards[key] for file in files]
    drifts = [
        file.with_name(file.name.replace(f"-{_PREDICTIONS}.", f"-{_DRIFTS}.")) for file in whole
    ]
    return Pairs(_joined(whole, PAIRS), _joined(drifts, DRIFTS))


def _joined(files: list[Path], schema: pa.Schema) -> pd.DataFrame:
    def tables() -> Iterator[pa.Table]:
        yield schema.empty_table()
        for file in files:
            try:
                yield partial(read_columns, schema=schema)(file).cast(schema)
            except FileFault as fault:
                raise _damaged(file, str(fault)) from fault

    return to_frame(pa.concat_tables(tables()))


def _damaged(file: Path, what: str) -> CorruptRunError:
    return CorruptRunError(
        f"{file} {what}; remove it, and `cortexscope compare` with --resume, asked for the same, "
        "makes it again."
    )


def _about(file: Path) -> dict[str, str | int] | None:
    """Return what a file says of its plan, None where it is damaged."""
    try:
        metadata = pq.read_schema(file).metadata or {}
        found: dict[str, str | int] = json.loads(metadata[_ABOUT])
    except (OSError, pa.ArrowException, ValueError, KeyError):
        return None
    return found
