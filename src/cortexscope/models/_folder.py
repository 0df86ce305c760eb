"""A folder that holds a model: what it must contain, checked without reading the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from cortexscope.errors import (
    ModelError,
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.files import sha256_of
from cortexscope.models._layouts import foreign_weights, names_in, pickled_weights

__all__ = [
    "INDEX",
    "PICKLES",
    "Weights",
    "check_safetensors",
    "few",
    "find_weights",
    "hash_files",
    "hash_tokenizer",
    "holds_words",
    "is_tokenizer_file",
    "read_json",
    "tokenizer_files",
]

INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

_SINGLE = "model.safetensors"
_POINTER = b"version https://git-lfs"
_TOKENIZER = re.compile(
    r"(tokenizer[^/]*|special_tokens_map|added_tokens|vocab[^/]*|spiece|sentencepiece[^/]*|source|"
    r"target)\.(json|model|txt|spm)|merges\.txt|bpe\.codes|[^/]*\.tiktoken|tekken\.json|tokenizer\.model\.v\d+|"
    r"chat_template\.jinja|additional_chat_templates/[^/]+\.jinja|sentence_[a-z-]+_config\.json"
)
# What a tokenizer may have besides its words.
_BESIDES = re.compile(
    r"tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|.*\.jinja|sentence_.*"
)
_DECIDING = ("config.json", "generation_config.json")


class Weights(NamedTuple):
    """The files that hold a model's weights."""

    files: tuple[Path, ...]
    pickle: bool


def is_tokenizer_file(name: str) -> bool:
    """Return whether a file of this name decides how text becomes tokens.

    Args:
        name: of the file, from the folder of its model.
    """
    return _TOKENIZER.fullmatch(name) is not None


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file of a model.

    Raises:
        ModelError: if it is no JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ModelFileError(f"{path} is not valid JSON{place}; fetch the file again.") from error
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}; check its permissions."
        ) from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path} holds no JSON object; fetch the file again.")
    return content


def find_weights(folder: Path, *, allow_pickle: bool) -> Weights:
    """Return the files with the weights, each safetensors file checked against its header.

    Raises:
        ModelNotFoundError: if there are no weights, or shards are missing.
        UnsafeModelError: if there are only pickle weights and they are not allowed.
        ModelError: if a file is damaged.
    """
    single, index = folder / _SINGLE, folder / INDEX
    if single.is_file():
        shards: tuple[Path, ...] = (single,)
    elif index.is_file():
        shards = (index, *_shards(folder, index))
    else:
        return _find_pickles(folder, allow_pickle=allow_pickle)
    for shard in shards:
        if shard.suffix == ".safetensors":
            check_safetensors(shard)
    return Weights(shards, pickle=False)


def _shards(folder: Path, index: Path) -> list[Path]:
    table = read_json(index).get("weight_map")
    names = set(table.values()) if isinstance(table, dict) else set()
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelFileError(f"{index} lists no files in its weight_map; fetch the file again.")
    outside = sorted(name for name in names if Path(name).name != name)
    if outside:
        raise UnsafeModelError(
            f"{index} names {outside[0]!r}, which is outside its folder; "
            "shards must lie beside their index."
        )
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise ModelNotFoundError(
            f"{folder} lacks {len(missing)} of {len(names)} weight files "
            f"({few(missing)}); fetch the missing ones."
        )
    return [folder / name for name in sorted(names)]


def _find_pickles(folder: Path, *, allow_pickle: bool) -> Weights:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    pickles = pickled_weights(names)
    foreign = foreign_weights(names_in(folder))
    readable = [name for name in names if name in PICKLES or name.endswith(".gguf")]
    if foreign is not None and not readable:
        raise UnsupportedModelError(f"{folder} {foreign}.")
    if pickles and not allow_pickle:
        raise UnsafeModelError(
            f"{folder} holds its weights only as pickle ({few(pickles)}), which can run code when "
            "read; use a copy in safetensors, or allow pickle if you trust its author."
        )
    readable = [name for name in PICKLES if name in names]
    if readable:
        # Of the files beside an index, only its shards are read.
        shards = [name for name in pickles if name.startswith("pytorch_model")]
        chosen = [readable[0], *shards] if readable[0] == PICKLES[1] else [readable[0]]
        return Weights(tuple(folder / name for name in chosen), pickle=True)
    others = [name for name in names if name.endswith((".safetensors", ".gguf")) or name in pickles]
    found = f"only {few(others)}" if others else "no weights at all"
    gguf = next((name for name in others if name.endswith(".gguf")), None)
    what = f"give the path {folder / gguf}" if gguf else f"add {_SINGLE}, or {INDEX} and its shards"
    raise ModelNotFoundError(f"{folder} holds {found}; {what}.")


def check_safetensors(path: Path) -> None:
    """Check a safetensors file's header and offsets against its size; no weights are read.

    Raises:
        ModelError: if it is cut short or no safetensors file.
    """
    try:
        with path.open("rb") as file:
            pointer = file.read(len(_POINTER)) == _POINTER
        if not pointer:
            with safe_open(path, framework="pt") as opened:
                empty = not list(opened.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is damaged or cut short ({_first_line(error)}); fetch the file again."
        ) from error
    if pointer:
        raise ModelFileError(
            f"{path} is a Git LFS pointer and not the weights; run `git lfs pull` in its folder."
        )
    if empty:
        raise ModelFileError(f"{path} holds no tensors; fetch the file again.")


def hash_files(folder: Path, weights: Weights) -> dict[str, str]:
    """Return the SHA-256 of each file of the folder that decides what the model computes.

    Every file is read whole. A link into the hub's cache bears the hash that its file had when it
    was fetched, which says nothing of the file that is there now.
    """
    deciding = {path.name for path in weights.files}
    deciding |= {name for name in _DECIDING if (folder / name).is_file()}
    hashes = {name: sha256_of(folder / name) for name in deciding} | hash_tokenizer(folder)
    return dict(sorted(hashes.items()))


def hash_tokenizer(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of the folder that decides how text becomes tokens."""
    return {name: sha256_of(folder / name) for name in tokenizer_files(folder)}


def holds_words(names: Iterable[str]) -> bool:
    """Return whether there is a vocabulary among a tokenizer's files."""
    return any(_BESIDES.fullmatch(name) is None for name in names)


def tokenizer_files(folder: Path) -> list[str]:
    """Return the names of the folder's files that decide how text becomes tokens."""
    found = (*folder.glob("*"), *folder.glob("additional_chat_templates/*"))
    names = (path.relative_to(folder).as_posix() for path in found if path.is_file())
    return sorted(name for name in names if is_tokenizer_file(name))


def few(names: list[str]) -> str:
    """Return the first few of some names, as they are put into messages."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
