"""Write an audit into a folder: audit.md, audit.html and audit.json."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from pydantic_core import to_json

from cortexscope.audit._document import document_of
from cortexscope.audit._records import VERDICTS, Audit
from cortexscope.document import render
from cortexscope.errors import RunExistsError
from cortexscope.files import whole_file

__all__ = ["AuditFiles", "check_audit_target", "write_audit"]

_SCHEMA_VERSION = 1


class AuditFiles(NamedTuple):
    """The files of an audit."""

    markdown: Path
    html: Path
    json: Path


def check_audit_target(folder: Path, *, force: bool = False) -> None:
    """Refuse a folder where an audit would be lost; writes nothing.

    Raises:
        RunExistsError: if it is a file, or holds an audit and `force` is not set.
    """
    if folder.exists() and not folder.is_dir():
        raise RunExistsError(f"{folder} is a file; choose a folder with --out.")
    there = [path.name for path in _paths(folder) if path.exists()]
    if there and not force:
        raise RunExistsError(
            f"{folder} holds {', '.join(there)} already; choose another --out, or replace them "
            "with --force."
        )


def write_audit(audit: Audit, folder: Path | str, *, force: bool = False) -> AuditFiles:
    """Write audit.md, audit.html and audit.json into a folder; each appears whole or not at all.

    Raises:
        RunExistsError: if the folder holds an audit and `force` is not set.
        StoreError: if a file cannot be written.
    """
    folder = Path(folder)
    check_audit_target(folder, force=force)
    paths = _paths(folder)
    document = document_of(audit)
    texts = (render(document, "markdown"), render(document, "html"), _as_json(audit))
    for path, text in zip(paths, texts, strict=True):
        with whole_file(path) as part:
            part.write_text(str(text), encoding="utf-8")
    return paths


def _paths(folder: Path) -> AuditFiles:
    return AuditFiles(*(folder / f"audit.{kind}" for kind in ("md", "html", "json")))


def _as_json(audit: Audit) -> str:
    counts = {
        source: {check: audit.count(source, check) for check in VERDICTS}
        for source in audit.sources
    }
    content = {"schema_version": _SCHEMA_VERSION, "counts": counts, **asdict(audit)}
    # A number that is not finite is null.
    return to_json(content, indent=2, inf_nan_mode="null").decode() + "\n"
