"""Folders that fsspec opens by a URL, such as `s3://bucket/run`; their errors in one sentence.

Credentials come from the environment and from fsspec's own configuration alone, and stand in no
message.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cortexscope.errors import CortexscopeError, StoreError, UsageError
from cortexscope.files import FULL, whole_file

__all__ = ["Entry", "RemoteFolder", "is_url", "redacted"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://")
_USER = re.compile(r"://[^/\s]*@")
_QUERY = re.compile(r"\?\S*")

_TOGETHER = 64
"""Files that are asked for at once."""

_TAGS = ("ETag", "etag", "generation", "version_id", "md5", "LastModified", "last_modified",
         "mtime", "created")  # fmt: skip
"""What file systems call that which changes when a file does."""

_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")


class Entry(NamedTuple):
    """A file as a listing tells of it."""

    size: int
    """In bytes."""
    tag: str
    """Another one after each change, as far as the file system tells."""


def is_url(place: object) -> bool:
    """Return whether a place is a URL, and no path.

    Example:
        >>> is_url("s3://bucket/run"), is_url("runs/a")
        (True, False)
    """
    return isinstance(place, str) and _SCHEME.match(place) is not None


def redacted(text: str) -> str:
    """Return a text with URLs without what may be secret: user, password and query.

    Example:
        >>> redacted("ftp://me:secret@host/run?token=1")
        'ftp://***@host/run?***'
    """
    return _QUERY.sub("?***", _USER.sub("://***@", text))


class RemoteFolder:
    """A folder behind a URL, which need not be there.

    Args:
        url: whatever fsspec opens.

    Raises:
        UsageError: if fsspec knows no such protocol, or lacks a package for it.
        StoreError: if it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._shown = redacted(url).rstrip("/")
        self._secret = self._shown != url.rstrip("/")
        with self._errors("open"):
            from fsspec.core import url_to_fs

            found: tuple[Any, str] = url_to_fs(url)
        self._system, root = found
        self._root = root.rstrip("/")

    def __str__(self) -> str:
        return self._shown

    def entries(self, *, depth: int | None = None) -> dict[str, Entry]:
        """Return the files in the folder and below it by their names, as `stats/stats.json`.

        Names that lead out of the folder are left out.

        Args:
            depth: how many folders further down; all where None.

        Raises:
            StoreError: if the folder cannot be listed, as where there is no such bucket.
        """
        deepest = None if depth is None else depth + 1
        with self._errors("read"):
            self._system.invalidate_cache()
            found = self._system.find(self._root, maxdepth=deepest, detail=True)
        named = {path.removeprefix(self._root).lstrip("/"): facts for path, facts in found.items()}
        return {
            name: Entry(int(facts.get("size") or 0), _tag(facts))
            for name, facts in sorted(named.items())
            if facts.get("type") == "file" and _is_inside(name)
        }

    def fetch(self, files: Mapping[str, Entry], folder: Path) -> Iterator[list[str]]:
        """Fetch files into a folder, each whole or not at all; yield the names that are there now.

        Raises:
            StoreError: if one cannot be read, is not as large as it was listed, or cannot be
                written.
        """
        for names in _some(files):
            with contextlib.ExitStack() as stack:
                parts = [stack.enter_context(whole_file(folder / name)) for name in names]
                with self._errors("read"):
                    self._system.get(self._paths(names), [str(part) for part in parts])
                for name, part in zip(names, parts, strict=True):
                    if part.stat().st_size != files[name].size:
                        raise StoreError(
                            f"{self}/{name} changed while it was read; ask for the same again."
                        )
            yield names

    def ends(
        self, files: Mapping[str, Entry], sizes: Mapping[str, int]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the names of files and the last bytes of each, so many or all that it has.

        Raises:
            StoreError: if one cannot be read.
        """
        for names in _some(name for name in sizes if files[name].size):
            ends = [files[name].size for name in names]
            starts = [max(0, end - sizes[name]) for name, end in zip(names, ends, strict=True)]
            with self._errors("read"):
                pieces = self._system.cat_ranges(self._paths(names), starts, ends)
                for piece in pieces:
                    if isinstance(piece, Exception):
                        raise piece
            yield from zip(names, pieces, strict=True)

    def put(self, files: Mapping[str, Path]) -> Iterator[list[str]]:
        """Put files into the folder, in order; yield the names that are there now.

        Raises:
            StoreError: if one cannot be written.
        """
        for names in _some(files):
            with self._errors("write"):
                self._system.put([str(files[name]) for name in names], self._paths(names))
            yield names

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file unless there is one; return whether it was written.

        Where the store can, as S3 can, nothing comes between the two.
        """
        with self._errors("write"):
            try:
                self._system.pipe_file(*self._paths([name]), content, mode="create")
            except FileExistsError:
                return False
        return True

    def read(self, name: str, *, most: int) -> bytes | None:
        """Return the first bytes of a file, None where there is none."""
        with self._errors("read"):
            try:
                found: bytes = self._system.cat_file(*self._paths([name]), start=0, end=most)
            except FileNotFoundError:
                return None
        return found

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is none to remove."""
        for some in _some(names):
            with self._errors("write"), contextlib.suppress(FileNotFoundError):
                self._system.rm(self._paths(some))

    def _paths(self, names: Sequence[str]) -> list[str]:
        return [f"{self._root}/{name}" for name in names]

    @contextlib.contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except CortexscopeError:
            raise
        except Exception as error:
            # Of this disk, and not of the other side.
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            kind = UsageError if isinstance(error, ImportError | ValueError) else StoreError
            why = f"Cannot {verb} {self}: {_why(error)}."
            raise kind(why) from (None if self._secret else error)


def _why(error: Exception) -> str:
    said = redacted(next(iter(str(error).splitlines()), "")).rstrip(".")
    if isinstance(error, ImportError):
        return (
            f"a package for it is missing ({said}); `pip install 'cortexscope[remote]'` brings "
            "that of S3, and the others are named there"
        )
    if isinstance(error, ValueError) and "rotocol" in said:
        return f"fsspec has no such protocol ({said}); see that it is written right"
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket or folder; see that the address is right"
    if isinstance(error, PermissionError) or type(error).__name__ in _NO_CREDENTIALS:
        return (
            "permission denied, or no credentials; give some that may by the environment or by "
            "fsspec's configuration"
        )
    return (
        f"{type(error).__name__}{f' ({said})' if said else ''}; see that the network is there and "
        "that the address and the endpoint are right"
    )


def _tag(facts: Mapping[str, Any]) -> str:
    return next((str(facts[name]) for name in _TAGS if facts.get(name)), "")


def _is_inside(name: str) -> bool:
    """Return whether a name is of a file in the folder or below it, on any system."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)


def _some(names: Iterable[str]) -> Iterator[list[str]]:
    every = list(names)
    for start in range(0, len(every), _TOGETHER):
        yield every[start : start + _TOGETHER]
