"""Files and folders that appear whole or not at all, and their errors in one sentence."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FULL",
    "as_csv",
    "is_leftover",
    "remove_leftovers",
    "sha256_of",
    "storage_errors",
    "whole_file",
    "whole_folder",
]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the errors of a full disk."""

_GOES_ON = "then go on (--resume continues a run)"

_TEMPORARY = ".part-"

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error about `path` into one sentence.

    Raises:
        StoreError: if the disk is full, or the place cannot be written or read.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            why = f"the disk is full; free some space, {_GOES_ON}"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = "permission denied; choose a place that you may write to"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            why = "a file stands where a folder is needed; choose another place"
        elif error.errno in (errno.ENOENT, errno.ESTALE):
            why = f"its folder is gone; put it back where it was, {_GOES_ON}"
        elif error.errno == errno.EFBIG:
            why = f"no file may be so large here; raise that limit (ulimit -f), {_GOES_ON}"
        else:
            why = f"{error.strerror or error}; see that the place can be written, {_GOES_ON}"
        raise StoreError(f"Cannot write {path}: {why}.") from error


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def whole_file(path: Path, *, deep: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block succeeds.

    The bytes are on the disk before the name appears, so that a crash at any moment leaves the
    old file, the new file or no file, never a part of one.

    Args:
        path: of the file.
        deep: whether all folders above it are made where they are missing, not only its own: one
            that was moved away is not made anew.

    Raises:
        StoreError: if the file cannot be written; nothing is left behind.
    """
    beside = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")
    with storage_errors(path):
        try:
            path.parent.mkdir(parents=deep, exist_ok=True)
            yield beside
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(path)
            _flush_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; rename it into place when the block succeeds.

    Where another process put the same folder there meanwhile, its folder stays and ours goes.

    Raises:
        StoreError: if the folder cannot be written; nothing is left behind.
    """
    beside = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")
    with storage_errors(path):
        try:
            beside.mkdir(parents=True)
            yield beside
            for file in beside.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as handle:
                        os.fsync(handle.fileno())
            try:
                beside.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
            _flush_folder(path.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def as_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: numbers in full precision, an undefined value as an empty cell.

    A text that a spreadsheet would take for a formula, since it begins with `=`, `+`, `-`, `@`,
    a tab or the end of a line, gets an apostrophe in front; a number as text does not.
    """
    inert = frame.rename(columns=_inert)
    for place, kind in enumerate(inert.dtypes):
        if kind.kind not in "biuf":
            inert.isetitem(place, [_inert(value) for value in inert.iloc[:, place]])
    return str(inert.to_csv(index=False, lineterminator="\n"))


def _inert(value: object) -> object:
    if not isinstance(value, str):
        return value
    # Not quoted by pandas, which would cut the row in two.
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not value.startswith(_FORMULA):
        return value
    with contextlib.suppress(ValueError):
        if value[0] in "+-" and math.isfinite(float(value)):
            return value
    return f"'{value}"


def is_leftover(path: Path) -> bool:
    """Return whether a file or folder is a half-written one that a killed process left."""
    return path.name.startswith(_TEMPORARY)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed process left half written in `folder` and below it."""
    for leftover in folder.rglob(f"{_TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
