"""A split of a data set on the hub, fetched as the Parquet file that the hub made of it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
from datasets import config as datasets_config
from huggingface_hub import errors as hub_errors

from cortexscope.errors import CortexscopeError

__all__ = ["Fetched", "fetch_split"]

_PATIENCE = 8.0
"""Seconds for the first answer; without one there is no hub to wait for."""
_BRANCH = "refs/convert/parquet"
"""Where the hub keeps CONFIG/SPLIT/0000.parquet of every data set that it can show."""
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


class Fetched(NamedTuple):
    """A file in the hub cache and the commit that it is of."""

    file: Path
    commit: str


def fetch_split(name: str, hub: str, config: str, split: str) -> Fetched:
    """Return the first Parquet file of a split, from the hub cache where the hub gives no answer.

    Splits of more than about half a gigabyte have several files; the first holds enough rows to
    choose from. No script of the data set is ever fetched or run.

    Args:
        name: the data set's name in the table, for the sentence.
        hub: its id on the hub.
        config: its configuration.
        split: its split.

    Raises:
        CortexscopeError: if it cannot be fetched; one sentence says why and what to do.
    """
    folders = (f"{config}/{split}/", f"{config}/partial-{split}/")
    try:
        if datasets_config.HF_HUB_OFFLINE:
            raise hub_errors.OfflineModeIsEnabled
        # Asked first, as the download itself tries for half a minute where there is no hub.
        info = huggingface_hub.HfApi().dataset_info(hub, revision=_BRANCH, timeout=_PATIENCE)
        names = sorted(
            file.rfilename for file in info.siblings or [] if file.rfilename.endswith(".parquet")
        )
    except _FAILURES as error:
        cached = _cached(hub, folders)
        if cached is None:
            raise _error(name, hub, _why(error)) from error
        return _fetched(cached)
    wanted = [file for folder in folders for file in names if file.startswith(folder)]
    if not wanted:
        why = f"the hub's Parquet copy of it has no {config}/{split}"
        raise _error(name, hub, why)
    try:
        return _fetched(_file(hub, wanted[0]))
    except _FAILURES as error:
        raise _error(name, hub, _why(error)) from error


def _cached(hub: str, folders: tuple[str, ...]) -> str | None:
    for folder in folders:
        found = huggingface_hub.try_to_load_from_cache(
            hub, f"{folder}0000.parquet", repo_type="dataset", revision=_BRANCH
        )
        if isinstance(found, str):
            return found
    return None


def _file(hub: str, filename: str) -> str:
    # By the branch, so that the cache learns which commit it stands for.
    return huggingface_hub.hf_hub_download(
        hub, filename, repo_type="dataset", revision=_BRANCH, etag_timeout=_PATIENCE
    )


def _fetched(file: str) -> Fetched:
    return Fetched(Path(file), Path(file).parents[2].name)


def _error(name: str, hub: str, why: str) -> CortexscopeError:
    return CortexscopeError(
        f"The data set {name!r} ({hub} on the hub) cannot be fetched: {why}; "
        f"give a local copy with datasets:{name}=PATH, a folder of Dataset.save_to_disk or a "
        ".parquet, .jsonl, .json or .csv file."
    )


def _why(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full"
    if isinstance(error, hub_errors.GatedRepoError):
        return "its authors must grant you access; ask on its page, then run `hf auth login`"
    if isinstance(error, hub_errors.RevisionNotFoundError):
        return "the hub holds no Parquet copy of it, and scripts of data sets are never run"
    if isinstance(error, hub_errors.RepositoryNotFoundError):
        return "the hub has no such data set, or it is private (then run `hf auth login`)"
    if status in (401, 403):
        return f"the hub refuses access (status {status}); run `hf auth login`"
    if status is not None:
        return f"the hub answered with status {status}"
    if isinstance(error, hub_errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set and it is not in the hub cache"
    return "the hub cannot be reached and it is not in the hub cache"
