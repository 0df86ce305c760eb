"""The rows of a data set, from the hub or from a local copy, read with `datasets`."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cortexscope.errors import SuiteError, UsageError

__all__ = ["Copy", "open_copy"]

_KINDS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}
_FORMS = "a folder of Dataset.save_to_disk, or a .parquet, .jsonl, .json or .csv file"


@dataclass(frozen=True, slots=True)
class Copy:
    """One split of a data set, wherever it lies."""

    place: str
    """For sentences: the path, or the id on the hub with configuration, split and commit."""
    source: str
    """What the source of its prompts begins with."""
    dataset: Any
    """A `datasets.Dataset`."""

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return list(self.dataset.column_names)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.dataset.num_rows)

    def row(self, number: int, columns: Sequence[str]) -> dict[str, Any]:
        """Return the named columns of a row; the others, which may be large, are not decoded."""
        values: dict[str, Any] = self.dataset.select_columns(list(columns))[number]
        return values


@contextlib.contextmanager
def open_copy(
    name: str, hub: str, config: str, split: str, *, path: str | None = None
) -> Iterator[Copy]:
    """Open a split of a data set for as long as the block lasts.

    Args:
        name: the data set's name in the table, for sentences.
        hub: its id on the hub.
        config: of the hub's Parquet copy.
        split: likewise; of a folder that holds several splits, this one is read.
        path: a local copy, which is read in place of the hub's.

    Raises:
        UsageError: if the package `datasets` is missing.
        SuiteError: if the local copy is not there, or cannot be read.
        CortexscopeError: if the hub's copy cannot be fetched.
    """
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(
            f"Reading the data set {name!r} needs the package datasets, which is not installed: "
            "pip install 'cortexscope[datasets]'"
        )
    with _quiet(), tempfile.TemporaryDirectory(prefix="cortexscope-") as scratch:
        if path is not None:
            local = Path(path.strip()).expanduser()
            yield Copy(str(local), local.name, _local(local, name, split, scratch))
            return
        from cortexscope.tasks._hub import fetch_split

        fetched = fetch_split(name, hub, config, split)
        commit = fetched.commit[:12]
        yield Copy(
            f"{hub} {config}/{split} at {commit}",
            f"{hub}@{commit}/{config}/{split}",
            _read(fetched.file, "parquet", name, scratch),
        )


def _local(path: Path, name: str, split: str, scratch: str) -> Any:  # noqa: ANN401 - a Dataset
    if _is_there(path) and path.is_dir():
        return _saved(path, name, split)
    kind = _KINDS.get(path.suffix.lower())
    if not _is_there(path):
        raise SuiteError(
            f"There is no {path} to read the data set {name!r} from; give {_FORMS} "
            "(a path must not hold a comma that a name follows)."
        )
    if kind is None:
        raise SuiteError(
            f"{path} has the ending {path.suffix!r}, and the data set {name!r} is read from "
            f"{_FORMS}; rename or convert it."
        )
    return _read(path, kind, name, scratch)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def _saved(path: Path, name: str, split: str) -> Any:  # noqa: ANN401 - a Dataset
    import datasets

    if not any((path / file).is_file() for file in ("state.json", "dataset_dict.json")):
        raise SuiteError(
            f"The folder {path} was not saved by Dataset.save_to_disk, so the data set {name!r} "
            f"cannot be read from it; give {_FORMS}."
        )
    try:
        saved = datasets.load_from_disk(str(path))
    except Exception as error:
        raise _unreadable(path, name, error) from error
    if not isinstance(saved, datasets.DatasetDict):
        return saved
    if split not in saved and len(saved) != 1:
        raise SuiteError(
            f"{path} has the splits {', '.join(saved) or 'none'} and not {split!r}, which the data "
            f"set {name!r} is read from; give the folder of one of them."
        )
    return saved[split] if split in saved else next(iter(saved.values()))


def _read(path: Path, kind: str, name: str, scratch: str) -> Any:  # noqa: ANN401 - a Dataset
    import datasets

    readers = {
        "parquet": datasets.Dataset.from_parquet,
        "json": datasets.Dataset.from_json,
        "csv": datasets.Dataset.from_csv,
    }
    try:
        # What is made on the way lies in the scratch folder, so no older copy is taken for this.
        return readers[kind](str(path), cache_dir=scratch)
    except Exception as error:
        raise _unreadable(path, name, error) from error


def _unreadable(path: Path, name: str, error: Exception) -> SuiteError:
    deepest: BaseException = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    lines = [line.strip() for line in str(deepest).splitlines() if line.strip()]
    why = (lines[0] if lines else type(deepest).__name__)[:200].rstrip(".")
    return SuiteError(
        f"{path} cannot be read as a copy of the data set {name!r} ({why}); write it again."
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the logs of the libraries that read, and their progress bars but on a terminal."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    ours, theirs = datasets.logging.get_verbosity(), hub_logging.get_verbosity()
    reading, fetching = datasets.are_progress_bars_disabled(), are_progress_bars_disabled()
    datasets.logging.set_verbosity(logging.CRITICAL)
    hub_logging.set_verbosity(logging.CRITICAL)
    datasets.disable_progress_bars()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(ours)
        hub_logging.set_verbosity(theirs)
        if not reading:
            datasets.enable_progress_bars()
        if not fetching:
            enable_progress_bars()
