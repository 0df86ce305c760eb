"""inspect_ai's packed logs: a sample a member of the archive."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

from cortexscope.errors import SuiteError
from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import LONGEST, Raw, Source

__all__ = ["rows"]


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield the samples of a log, in the order in which they are packed.

    Raises:
        SuiteError: if it is no such log, or damaged.
    """
    del options
    number = 0
    try:
        with source.opened() as stream, zipfile.ZipFile(io.BytesIO(stream.read())) as log:
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
    except (zipfile.BadZipFile, NotImplementedError, ValueError, RecursionError) as error:
        raise SuiteError(
            f"{source.shown} cannot be read as a log of inspect_ai ({error}); write the log as "
            ".json, or fetch it again."
        ) from error
    if not number:
        raise SuiteError(f"{source.shown} holds no samples; give a log of an evaluation that ran.")
