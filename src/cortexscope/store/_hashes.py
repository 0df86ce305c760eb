"""The SHA-256 of the files of each shard, by which a changed bit in one is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cortexscope.files import sha256_of, whole_file
from cortexscope.store._contents import FileFault
from cortexscope.store._layout import Layout

__all__ = ["check_hash", "known_hashes", "write_hashes"]

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def write_hashes(layout: Layout, shard: Path, files: Mapping[Path, Path]) -> None:
    """Write the hashes of a shard's files, as `sha256sum --check` reads them in the run folder.

    Args:
        layout: of the run.
        shard: the file of measurements.
        files: where each is now, by where it belongs.
    """
    lines = (
        f"{sha256_of(now)}  {file.relative_to(layout.path).as_posix()}\n"
        for file, now in files.items()
    )
    with whole_file(layout.hashes(shard), deep=False) as part:
        part.write_text("".join(lines), encoding="utf-8")


def known_hashes(layout: Layout, shard: Path) -> dict[str, str]:
    """Return the SHA-256 of a shard's files by their names in the run, none where none were kept.

    Raises:
        FileFault: if what was kept is damaged.
    """
    try:
        text = layout.hashes(shard).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise FileFault("is damaged") from error
    lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    found = {line[2]: line[1] for line in lines if line is not None}
    if len(found) != len(lines) or shard.relative_to(layout.path).as_posix() not in found:
        raise FileFault("is damaged")
    return found


def check_hash(layout: Layout, file: Path, known: Mapping[str, str]) -> None:
    """Check that a file has the bytes that were written, as far as hashes were kept.

    Raises:
        FileFault: if it has others, or none.
    """
    if not known:
        return
    try:
        found = sha256_of(file)
    except OSError as error:
        raise FileFault("is missing") from error
    if known.get(file.relative_to(layout.path).as_posix()) != found:
        raise FileFault("is damaged: its SHA-256 is not the one that was noted when it was written")
