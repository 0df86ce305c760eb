"""Where rows are read from: a file, packed or not, or standard input; and what a row of it is."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from cortexscope.errors import SuiteError, UsageError

__all__ = ["LONGEST", "Raw", "Source", "kept", "pieces_of", "piped"]

LONGEST = 2**26
"""The most bytes, or characters, of one row: a suite's prompt is far shorter, a damaged file's line
may be as long as the file."""

_CHUNK = 2**18
_LARGEST = 2**33
"""Bytes that are kept of what can be read only once, and may have no end."""
_GZIP = b"\x1f\x8b"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The encoding that a byte order mark tells; that of UTF-16 begins that of UTF-32."""


class Raw(NamedTuple):
    """A row as it stands in a file, or why it cannot be read."""

    line: int
    """Where it begins: a line of a text, else a row, counted from 1."""
    values: Mapping[str, Any]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file of rows."""

    path: Path
    shown: str
    """Its name in sentences."""
    name: str
    """Its name without what tells the format."""
    encoding: str | None = None
    """Of a text; None for what a byte order mark tells, else UTF-8."""

    def place(self, line: int) -> str:
        """Return a row's place for sentences."""
        return f"{self.shown}:{line}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked where it is gzipped, which its first bytes tell.

        Raises:
            SuiteError: if it cannot be read or unpacked.
        """
        # Here, as the command line knows this module before it knows of a file.
        import gzip
        import zlib

        from cortexscope.tasks.sources._unpacking import Unpacked

        try:
            with self.path.open("rb") as stream:
                packed = stream.read(2) == _GZIP
                stream.seek(0)
                if packed:
                    with Unpacked(stream) as unpacked:
                        yield cast(BinaryIO, unpacked)
                else:
                    yield stream
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SuiteError(
                f"{self.shown} cannot be unpacked ({error}); fetch or pack it again."
            ) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise SuiteError(f"{self.shown} cannot be read ({why}); check the file.") from error

    def head(self, size: int = 2**16) -> bytes:
        """Return the first bytes, unpacked."""
        with self.opened() as stream:
            return stream.read(size)

    def text_encoding(self) -> str:
        """Return how the text is encoded, its byte order mark left out in reading.

        Raises:
            UsageError: if the encoding that was named is none.
        """
        found = next((name for mark, name in _MARKS.items() if self.head(4).startswith(mark)), None)
        if self.encoding is None:
            return "utf-8-sig" if found in ("utf-8", None) else str(found)
        try:
            name = codecs.lookup(self.encoding).name
            "".encode(name)
        except (LookupError, ValueError) as error:
            raise UsageError(
                f"There is no encoding {self.encoding!r} of texts; name one such as utf-8, utf-16, "
                "latin-1 or cp1252."
            ) from error
        return "utf-8-sig" if name == "utf-8" else name

    def lines(self, *, ends: str = "") -> Iterator[str]:
        """Yield the lines of the text with their ends; none is longer than `LONGEST` characters.

        Args:
            ends: what ends a line, any line end where empty.

        Raises:
            SuiteError: if the file is empty, a line is too long, holds a NUL, or is no text.
        """
        for number, line in enumerate(self._pieces(lambda text: text.readline(LONGEST + 1), ends)):
            if len(line) > LONGEST:
                raise SuiteError(
                    f"{self.place(number + 1)}: the line is longer than {LONGEST:,} characters, "
                    "too long for a row; check what the file holds."
                )
            yield line

    def chunks(self) -> Iterator[str]:
        """Yield the text in pieces of some size, wherever its lines end.

        Raises:
            SuiteError: if the file is empty, holds a NUL, or is no text.
        """
        yield from self._pieces(lambda text: text.read(_CHUNK), "\n")

    def _pieces(self, take: Callable[[io.TextIOWrapper], str], ends: str) -> Iterator[str]:
        encoding = self.text_encoding()
        before, anything = "", False
        number = 1
        with self.opened() as stream:
            text = io.TextIOWrapper(stream, encoding=encoding, newline=ends)
            try:
                while piece := take(text):
                    number += before.count("\n")
                    if "\0" in piece:
                        place = self.place(number + piece.count("\n", 0, piece.index("\0")))
                        raise SuiteError(
                            f"{place}: a NUL character stands in the file; delete it, or name the "
                            "encoding with --encoding, such as utf-16."
                        )
                    before, anything = piece, anything or not piece.isspace()
                    yield piece
            except UnicodeError as error:
                raise self._undecodable(encoding) from error
            finally:
                with contextlib.suppress(ValueError):
                    text.detach()
        if not anything:
            raise SuiteError(f"{self.shown} is empty; write at least one prompt into it.")

    def _undecodable(self, encoding: str) -> SuiteError:
        """Return the error that says which byte stands where no text can have it."""
        decoder = codecs.getincrementaldecoder(encoding)()
        offset, line = 0, 1
        spelt = "UTF-8" if encoding == "utf-8-sig" else encoding
        advice = "save the file as UTF-8, or name its encoding with --encoding, such as cp1252."
        with self.opened() as stream:
            while chunk := stream.read(2**16):
                waiting = len(decoder.getstate()[0])
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    line += chunk.count(b"\n", 0, max(0, error.start - waiting))
                    at = offset - waiting + error.start
                    return SuiteError(
                        f"{self.place(line)}: byte {error.object[error.start]:#04x} at offset "
                        f"{at} is not {spelt}; {advice}"
                    )
                offset += len(chunk)
                line += chunk.count(b"\n")
        return SuiteError(f"{self.place(line)}: the text ends in half a character; {advice}")


@contextlib.contextmanager
def kept(pieces: Iterable[bytes], shown: str, encoding: str | None) -> Iterator[Source]:
    """Keep what can be read once, in a file while the block lasts.

    Raises:
        SuiteError: if it is more than any suite, as of what has no end.
    """
    import tempfile

    size = 0
    with tempfile.NamedTemporaryFile(prefix="cortexscope-") as file:
        for piece in pieces:
            size += len(piece)
            if size > _LARGEST:
                raise SuiteError(
                    f"{shown} gives more than {_LARGEST / 2**30:.0f} GB; write what is wanted of "
                    "it to a file, and give that."
                )
            file.write(piece)
        file.flush()
        yield Source(Path(file.name), shown, "stdin", encoding)


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what is in a stream, piece by piece."""
    while piece := stream.read(_CHUNK):
        yield piece


def piped(path: Path) -> Iterator[bytes]:
    """Yield what comes out of a pipe, into which something must be writing.

    Raises:
        SuiteError: if it is no pipe but a device or a socket, or nothing writes into it.
    """
    if not path.is_fifo():
        raise SuiteError(
            f"{path} is neither a file, a folder nor a pipe; give a file, or - for standard input."
        )
    try:
        # Opening would wait for who writes, were it to wait at all.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(opened, "rb", buffering=0) as stream:
            begun = stream.read(_CHUNK)
            if begun == b"":
                raise SuiteError(f"{path} is a pipe into which nothing writes; give a file.")
            os.set_blocking(opened, True)
            yield begun or b""
            yield from pieces_of(cast(BinaryIO, stream))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SuiteError(f"{path} cannot be read ({why}); check the file.") from error
