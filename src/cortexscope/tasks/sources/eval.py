"""inspect_ai's packed logs: a sample a member of the archive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

from cortexscope.errors import SuiteError
from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import LONGEST, Raw, Source
from cortexscope.tasks.sources._unpacking import most_of

__all__ = ["rows"]

_LARGEST = 2**29
"""Bytes of a log, which is held whole."""
_OTHERWISE = "write the log as .json, or fetch it again."


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the samples of a log, in the order in which they are packed.

    Raises:
        SuiteError: if it is no such log, or damaged.
    """
    del options
    number = 0
    try:
        with source.opened() as stream:
            held = stream.read(_LARGEST + 1)
        if len(held) > _LARGEST:
            raise SuiteError(f"{source.shown} has more than {_LARGEST:,} bytes; {_OTHERWISE}")
        with zipfile.ZipFile(io.BytesIO(held)) as log:
            size = sum(part.file_size for part in log.infolist())
            if size > most_of(len(held)):
                raise SuiteError(
                    f"{source.shown} unpacks from {len(held):,} to {size:,} bytes, more than "
                    f"texts can shrink; {_OTHERWISE}"
                )
            for part in log.infolist():
                if not (part.filename.startswith("samples/") and part.filename.endswith(".json")):
                    continue
                number += 1
                if part.file_size > LONGEST:
                    yield Raw(number, {}, f"{part.filename} holds {part.file_size:,} bytes")
                    continue
                content = json.loads(log.read(part))
                if isinstance(content, dict):
                    yield Raw(number, content)
                else:
                    yield Raw(number, {}, f"{part.filename} holds no sample")
    except SuiteError:
        raise
    # An archive has many fields and ways to pack, each of which may be damaged in its way.
    except Exception as error:
        raise SuiteError(
            f"{source.shown} cannot be read as a log of inspect_ai ({error}); {_OTHERWISE}"
        ) from error
    if not number:
        raise SuiteError(f"{source.shown} holds no samples; give a log of an evaluation that ran.")
