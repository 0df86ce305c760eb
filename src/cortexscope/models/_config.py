"""Read a model's configuration; code of the model's own runs only by request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, PreTrainedConfig

from cortexscope.errors import (
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.files import sha256_of
from cortexscope.models._attention import drop_hidden
from cortexscope.models._claims import check_claims
from cortexscope.models._folder import read_json
from cortexscope.models._layouts import foreign_weights, names_in, where_model_lies
from cortexscope.models._quantization import check_stored
from cortexscope.models._quiet import quiet, reason

__all__ = ["hash_code", "is_foreign", "read_config", "reason"]

_ATTENTION_KEYS = {"attn_implementation", "_attn_implementation"}
_EXPERTS_KEYS = {"experts_implementation", "_experts_implementation"}


def is_foreign(thing: object) -> bool:
    """Return whether an object's class came from a model's repository."""
    return type(thing).__module__.startswith("transformers_modules")


def hash_code(*things: object) -> dict[str, str]:
    """Return the SHA-256 of each file of code that objects of a repository's classes run.

    A repository may name another one for its code, so that it does not lie in the folder.
    """
    packages = {type(thing).__module__.rpartition(".")[0] for thing in things if is_foreign(thing)}
    files = {
        Path(str(module.__file__))
        for name, module in list(sys.modules.items())
        if name.rpartition(".")[0] in packages and getattr(module, "__file__", None)
    }
    return {f"code/{file.name}": sha256_of(file) for file in sorted(files) if file.is_file()}


def read_config(
    folder: Path,
    *,
    trust_remote_code: bool,
    note: Callable[[tuple[str, ...]], None] | None = None,
) -> PreTrainedConfig:
    """Return the configuration in a folder.

    Classes of transformers are preferred; a class of the repository is used only for a model
    that transformers does not know, and only if that is allowed. Attention that cannot be seen
    into is taken out of it, and `note` told so.

    Args:
        folder: the model's.
        trust_remote_code: whether code of the repository may run.
        note: receives what was taken out, None where nobody asks.

    Raises:
        ModelNotFoundError: if there is no `config.json`.
        UnsafeModelError: if code of the repository would have to run.
        UnsupportedModelError: if transformers does not know the model, or how it is stored.
        UsageError: if it is stored quantised and the package for that is not installed.
        ModelError: if the configuration is wrong in itself.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelNotFoundError(_no_config(folder))
    raw = read_json(path)
    check_claims(path, raw)
    foreign = _needs_code(path, raw, trust_remote_code=trust_remote_code)
    _check_storage(folder, raw)
    try:
        with quiet():
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=foreign
            )
            hidden = drop_hidden(config)
            left = config.to_dict()
    except Exception as error:
        raise ModelFileError(f"{path} cannot be used: {reason(error)}; correct it.") from error
    _refuse_kernel(path, left, _ATTENTION_KEYS)
    if note is not None and hidden:
        note(hidden)
    return config


def _no_config(folder: Path) -> str:
    if (folder / "adapter_config.json").exists():
        return (
            f"{folder} holds an adapter and no model of its own; give its base model in front: "
            f"BASE+{folder}."
        )
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    if ggufs:
        return f"{folder} has no config.json but {ggufs[0]}; give the path {folder / ggufs[0]}."
    inside, foreign = where_model_lies(folder), foreign_weights(names_in(folder))
    if inside is not None:
        return f"{folder} {inside}."
    if foreign is not None:
        return f"{folder} has no config.json and {foreign}."
    return (
        f"{folder} has no config.json, so it is no model folder; "
        "give a folder that save_pretrained wrote."
    )


def _needs_code(path: Path, raw: dict[str, Any], *, trust_remote_code: bool) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = raw.get("model_type")
    if isinstance(kind, str) and kind in CONFIG_MAPPING:
        return False
    if "auto_map" in raw:
        if not trust_remote_code:
            raise UnsafeModelError(
                f"{path} asks to run code from the model's own folder (model_type {kind!r} is "
                f"unknown to transformers {transformers.__version__}); trust remote code if you "
                "have read that code, or choose another model."
            )
        return True
    if kind is None:
        inside = where_model_lies(path.parent)
        if inside is not None:
            raise ModelNotFoundError(f"{path.parent} {inside}.")
        raise ModelFileError(f"{path} names no model_type; add it or fetch the file again.")
    raise UnsupportedModelError(
        f"{path} has the model_type {kind!r}, which transformers {transformers.__version__} does "
        "not know; upgrade transformers or choose another model."
    )


def _check_storage(folder: Path, raw: dict[str, Any]) -> None:
    if (folder / "adapter_config.json").exists():
        raise UnsupportedModelError(
            f"{folder} holds an adapter beside its model, so it is not clear which is meant; move "
            "the adapter to a folder of its own and give MODEL+ADAPTER to have both."
        )
    check_stored(folder / "config.json", raw)
    _refuse_kernel(folder / "config.json", raw, _EXPERTS_KEYS)


def _refuse_kernel(path: Path, raw: object, keys: Collection[str]) -> None:
    kernel = _foreign_kernel(raw, keys)
    if kernel is not None:
        raise UnsafeModelError(
            f"{path} asks to fetch and run the kernel {kernel!r}; remove that entry from the file."
        )


def _foreign_kernel(raw: object, keys: Collection[str], *, named: bool = False) -> str | None:
    """Return an implementation named as a hub repository, which would be fetched and run.

    Args:
        raw: a part of a configuration.
        keys: under which an implementation is named, or one for each part of the model.
        named: whether the part lies under one of these keys.
    """
    if isinstance(raw, dict | list):
        items = raw.items() if isinstance(raw, dict) else ((None, part) for part in raw)
        inside = (_foreign_kernel(part, keys, named=named or key in keys) for key, part in items)
        return next((kernel for kernel in inside if kernel is not None), None)
    return raw if named and isinstance(raw, str) and "/" in raw else None
