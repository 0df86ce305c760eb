"""Read what a run was asked and what ran, as its folder has it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from cortexscope.errors import CorruptRunError, SchemaVersionError, StoreError
from cortexscope.records import Manifest
from cortexscope.store._schema import SCHEMA_VERSION

__all__ = ["read_manifest"]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a run folder.

    Raises:
        StoreError: if the folder holds no run.
        SchemaVersionError: if a newer cortexscope wrote it.
        CorruptRunError: if it is damaged.
    """
    file = folder / "manifest.json"
    if not file.is_file():
        raise StoreError(
            f"There is no run in {folder}: it has no manifest.json; "
            "give the folder that `cortexscope run --out` wrote."
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise SchemaVersionError(
                f"{folder} was written with run schema {version}, and this cortexscope "
                f"reads up to {SCHEMA_VERSION}; install a newer cortexscope."
            )
        manifest = Manifest.model_validate(content)
        if sorted(manifest.shards) != sorted(info.model for info in manifest.models):
            raise ValueError("shards of other models")
        return manifest
    except (OSError, ValueError, TypeError, KeyError, RecursionError, ValidationError) as error:
        raise CorruptRunError(
            f"{file} is damaged ({type(error).__name__}); run again into another folder."
        ) from error
