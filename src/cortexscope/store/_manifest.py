"""Write and read what a run was asked and what ran, which its folder has twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import ValidationError

from cortexscope.errors import CorruptRunError, SchemaVersionError, StoreError
from cortexscope.files import whole_file
from cortexscope.records import Manifest
from cortexscope.store._schema import SCHEMA_VERSION

__all__ = [
    "COPY",
    "MANIFEST",
    "has_manifest",
    "is_restorable",
    "read_manifest",
    "restore_manifest",
    "write_manifest",
]

MANIFEST = "manifest.json"
COPY = "hashes/manifest.json"
"""Without a manifest no other file of a run says anything."""

_DAMAGE = (OSError, ValueError, TypeError, KeyError, RecursionError, ValidationError)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a run folder, and then a copy of it."""
    text = json.dumps(manifest.model_dump(), indent=2) + "\n"
    for name in (MANIFEST, COPY):
        with whole_file(folder / name, deep=False) as part:
            part.write_text(text, encoding="utf-8")


def has_manifest(folder: Path) -> bool:
    """Return whether a folder has a manifest or the copy of one, so that it is a run."""
    return any((folder / name).is_file() for name in (MANIFEST, COPY))


def restore_manifest(folder: Path) -> None:
    """Put the copy into the place of a manifest that is lost or damaged, where the copy is sound.

    Raises:
        StoreError: if the folder cannot be written.
    """
    if is_restorable(folder):
        with whole_file(folder / MANIFEST) as part:
            shutil.copyfile(folder / COPY, part)


def is_restorable(folder: Path) -> bool:
    """Return whether a manifest is lost or damaged, and its copy is sound."""
    try:
        _parsed(folder / MANIFEST)
    except _DAMAGE:
        try:
            _parsed(folder / COPY)
        except _DAMAGE:
            return False
        return True
    return False


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a run folder.

    Raises:
        StoreError: if the folder holds no run.
        SchemaVersionError: if a newer cortexscope wrote it.
        CorruptRunError: if it is damaged.
    """
    file = folder / MANIFEST
    if not has_manifest(folder):
        raise StoreError(
            f"There is no run in {folder}: it has no manifest.json; "
            "give the folder that `cortexscope run --out` wrote."
        )
    try:
        return _parsed(file)
    except _DAMAGE as error:
        advice = "run again into another folder"
        if is_restorable(folder):
            advice = f"`cortexscope doctor {folder} --repair` puts the copy of it back"
        what = f"damaged ({type(error).__name__})" if file.exists() else "missing"
        raise CorruptRunError(f"{file} is {what}; {advice}.") from error


def _parsed(file: Path) -> Manifest:
    content = json.loads(file.read_text(encoding="utf-8"))
    version = content["schema_version"]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{file.parent} was written with run schema {version}, and this cortexscope "
            f"reads up to {SCHEMA_VERSION}; install a newer cortexscope."
        )
    manifest = Manifest.model_validate(content)
    if sorted(manifest.shards) != sorted(info.model for info in manifest.models):
        raise ValueError("shards of other models")
    return manifest
