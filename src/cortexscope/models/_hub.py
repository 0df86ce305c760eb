"""A model on the hub: its commit, then its small files, then its weights."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from huggingface_hub import errors as hub_errors

from cortexscope.errors import (
    ModelError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.models._catalog import aliases
from cortexscope.models._folder import INDEX, PICKLES, is_tokenizer_file
from cortexscope.models._layouts import foreign_weights, pickled_weights
from cortexscope.models._quiet import quiet
from cortexscope.models._reference import Reference
from cortexscope.registry import suggestion

__all__ = ["Snapshot", "fetch_files", "fetch_model"]

_PATIENCE = 8.0
"""Seconds for the first answer; without one there is no hub to wait for."""
_SMALL = {
    "config.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "modules.json",
}
_FAILURES = (
    hub_errors.OfflineModeIsEnabled,
    # The client changes its HTTP library between versions; this name follows it.
    hub_errors.HTTPError,  # type: ignore[attr-defined]
    hub_errors.HFValidationError,
    hub_errors.EntryNotFoundError,
    OSError,
    # What its accelerated transfer raises.
    RuntimeError,
)


class Snapshot(NamedTuple):
    """A model's files in the hub cache and the commit that they are of."""

    folder: Path
    revision: str


def fetch_model(
    reference: Reference,
    *,
    allow_pickle: bool,
    trust_remote_code: bool,
    accept: Callable[[Path], object],
    note: Callable[[str], None],
) -> Snapshot:
    """Return a hub model's files, from the hub cache where the hub cannot be reached.

    Args:
        reference: a reference of kind `hub`.
        allow_pickle: whether pickle weights may be fetched where there are no others.
        trust_remote_code: whether the repository's Python files are fetched.
        accept: called with the folder once the small files are there; it raises if the weights
            are not worth fetching.
        note: receives a line of progress.

    Raises:
        ModelNotFoundError: if there is no such model or revision.
        UnsafeModelError: if its weights are only pickle and that is not allowed.
        ModelError: if it cannot be fetched.
    """
    try:
        with quiet():
            sizes = _list(reference)
    except _FAILURES as error:
        cached = _cached(reference, error)
        if cached is None:
            raise _error(reference, error) from error
        note(f"The hub gives no answer; using the copy of {reference.target} in its cache")
        return cached
    weights = _choose_weights(reference, set(sizes), allow_pickle=allow_pickle)
    small = [
        name
        for name in sizes
        if name in _SMALL
        or is_tokenizer_file(name)
        or (trust_remote_code and name.endswith(".py") and "/" not in name)
    ]
    # Asked for by name, so that the cache learns which commit the name stands for.
    folder = _download(reference, reference.revision, small)
    commit = folder.name
    accept(folder)
    if not all((folder / name).exists() for name in weights):
        size = sum(sizes[name] for name in weights) / 1e6
        note(f"Fetching {reference.target}: {len(weights)} weight files, {size:.0f} MB")
    return Snapshot(_download(reference, commit, [*small, *weights]), commit)


def fetch_files(
    reference: Reference,
    wanted: Callable[[str], bool],
    *,
    marker: str,
    note: Callable[[str], None],
) -> Snapshot:
    """Return some files of a hub repository, from the hub cache where the hub cannot be reached.

    Args:
        reference: a reference of kind `hub`.
        wanted: whether a file of this name is fetched.
        marker: a file whose presence in the cache shows that the repository was fetched before.
        note: receives a line of progress.

    Raises:
        ModelNotFoundError: if there is no such repository or revision.
        ModelError: if it cannot be fetched.
    """
    try:
        with quiet():
            names = [name for name in _list(reference) if wanted(name)]
    except _FAILURES as error:
        cached = _cached(reference, error, marker=marker)
        if cached is None:
            raise _error(reference, error) from error
        note(f"The hub gives no answer; using the copy of {reference.target} in its cache")
        return cached
    if not names:
        raise ModelNotFoundError(f"{reference.target} has no {marker}; choose another one.")
    folder = _download(reference, reference.revision, names)
    return Snapshot(folder, folder.name)


def _list(reference: Reference) -> dict[str, int]:
    """Return the size in bytes of each file of a repository."""
    info = huggingface_hub.HfApi().model_info(
        reference.target,
        revision=reference.revision,
        timeout=_PATIENCE,
        files_metadata=True,
    )
    return {file.rfilename: file.size or 0 for file in info.siblings or []}


def _choose_weights(reference: Reference, every: set[str], *, allow_pickle: bool) -> list[str]:
    names = {name for name in every if "/" not in name}
    if "model.safetensors" in names:
        return ["model.safetensors"]
    if INDEX in names:
        # Some repositories hold the same weights a second time under this name.
        shards = [name for name in names if name.endswith(".safetensors")]
        return [INDEX, *sorted(name for name in shards if not name.startswith("consolidated"))]
    pickles = pickled_weights(names)
    readable = next((name for name in PICKLES if name in names), None)
    ggufs = sorted(name for name in names if name.endswith(".gguf"))
    foreign = foreign_weights(every)
    if foreign is not None and readable is None and not ggufs:
        raise UnsupportedModelError(f"{reference.target} {foreign}.")
    if pickles and not allow_pickle:
        raise UnsafeModelError(
            f"{reference.target} offers its weights only as pickle ({pickles[0]}), which can run "
            "code when read; choose a revision with safetensors, or allow pickle if you trust its "
            "author."
        )
    if readable == PICKLES[0]:
        return [readable]
    if readable is not None:
        return [readable, *(name for name in pickles if name.startswith("pytorch_model-"))]
    below = sorted(name for name in every if name.endswith("/model.safetensors"))
    if below and not ggufs:
        place = below[0].rpartition("/")[0]
        raise ModelNotFoundError(
            f"{reference.target} holds its model in {place}; download it and give that folder."
        )
    what = (
        f"only .gguf files ({ggufs[0]}); download one and give its path"
        if ggufs
        else "no weights that can be read (model.safetensors); choose another model"
    )
    raise ModelNotFoundError(f"{reference.target} offers {what}.")


def _download(reference: Reference, revision: str | None, names: list[str]) -> Path:
    try:
        with quiet():
            folder = huggingface_hub.snapshot_download(
                reference.target,
                revision=revision,
                allow_patterns=names,
                etag_timeout=_PATIENCE,
            )
    except _FAILURES as error:
        raise _error(reference, error) from error
    return Path(folder)


def _cached(
    reference: Reference, error: Exception, *, marker: str = "config.json"
) -> Snapshot | None:
    if isinstance(error, hub_errors.RevisionNotFoundError | hub_errors.HFValidationError):
        return None
    found = huggingface_hub.try_to_load_from_cache(
        reference.target, marker, revision=reference.revision
    )
    if not isinstance(found, str):
        return None
    return Snapshot(Path(found).parent, Path(found).parent.name)


def _error(reference: Reference, error: Exception) -> ModelError:
    """Return one sentence for what the hub client raised."""
    model = reference.target
    if isinstance(error, hub_errors.HFValidationError):
        return ModelNotFoundError(f"{model!r} is no hub id ({error}); give org/name.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError(f"The disk is full, so {model} cannot be fetched; free some space.")
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if isinstance(error, hub_errors.GatedRepoError):
        return ModelError(
            f"{model} is gated: its authors must grant you access; ask for it on the model's page, "
            "then run `hf auth login`."
        )
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return ModelNotFoundError(
            f"{model} has no revision {reference.revision!r}; give a branch, tag or commit of it."
        )
    if isinstance(error, hub_errors.RepositoryNotFoundError):
        hint = "check the spelling."
        if "/" not in model:
            hint = suggestion(model.lower(), aliases(), listed_by="cortexscope models list")
        return ModelNotFoundError(
            f"There is no model {model!r} on the hub, or it is private (then run `hf auth login`); "
            f"{hint}"
        )
    if status in (401, 403):
        return ModelError(
            f"The hub refuses access to {model} (status {status}); run `hf auth login` with an "
            "account that may read it."
        )
    if status is not None:
        return ModelError(
            f"The hub answered with status {status} when asked for {model}; check "
            "the reference, or try again later."
        )
    spelling = "" if "/" in model else " and the spelling (a hub model is org/name)"
    return ModelError(
        f"The hub cannot be reached to fetch {reference.text!r} and it is not in the hub cache; "
        f"check the connection{spelling}, or give a local folder, a .gguf file, "
        "pypi:NAME==VERSION or demo-decoder."
    )
