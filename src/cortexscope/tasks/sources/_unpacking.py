"""Unpack gzipped files, up to what a file of texts can have been packed from."""

from __future__ import annotations

import gzip
import os
from typing import BinaryIO

__all__ = ["Unpacked", "most_of"]

_RATIO = 200
"""Bytes from one: texts shrink to a third or a tenth, repeated lines to a fiftieth."""
_ALWAYS = 2**26


def most_of(packed: int) -> int:
    """Return the most bytes that so many packed ones may become."""
    return _ALWAYS + _RATIO * packed


class Unpacked(gzip.GzipFile):
    """A gzipped file, read as what is packed in it.

    Raises:
        BadGzipFile: in reading, if far more comes out than texts can be packed from.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream)
        self._most = most_of(os.fstat(stream.fileno()).st_size)

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; all of a large file are never asked for."""
        return self._checked(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        """Return the next bytes, as many as are at hand."""
        return self._checked(super().read1(size))

    def _checked(self, found: bytes) -> bytes:
        if self.tell() > self._most:
            raise gzip.BadGzipFile(f"it unpacks to more than {self._most / 2**20:,.0f} MB")
        return found
