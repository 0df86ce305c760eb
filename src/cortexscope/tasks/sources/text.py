"""Plain text: a prompt a line, or blank lines between prompts."""

from __future__ import annotations

from collections.abc import Iterator

from cortexscope.tasks.sources._options import ReadOptions
from cortexscope.tasks.sources._source import Raw, Source

__all__ = ["rows", "whole"]


def rows(source: Source, options: ReadOptions) -> Iterator[Raw]:
    """Yield each line that is not blank, without its end, or each paragraph.

    Raises:
        SuiteError: if the file is empty or no text.
    """
    if not options.paragraphs:
        for number, line in enumerate(source.lines(), start=1):
            if not line.isspace():
                yield Raw(number, {"text": line.rstrip("\r\n")})
        return
    begun, held = 0, list[str]()
    for number, line in enumerate(source.lines(), start=1):
        if not line.isspace():
            begun = begun if held else number
            held.append(line.rstrip("\r\n"))
        elif held:
            yield Raw(begun, {"text": "\n".join(held)})
            held = []
    if held:
        yield Raw(begun, {"text": "\n".join(held)})


def whole(source: Source) -> Raw:
    """Return the whole of a file as one prompt, line ends as they are but the last.

    Raises:
        SuiteError: if the file is empty or no text.
    """
    return Raw(1, {"text": "".join(source.lines()).rstrip("\r\n")})
