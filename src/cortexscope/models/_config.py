"""Read a model's configuration; code of the model's own runs only by request."""

from __future__ import annotations

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
from cortexscope.models._folder import read_json
from cortexscope.models._quantization import check_stored
from cortexscope.models._quiet import quiet, reason

__all__ = ["is_foreign", "reason", "read_config"]

_KERNEL_KEYS = {
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "_experts_implementation",
}


def is_foreign(thing: object) -> bool:
    """Return whether an object's class came from a model's repository."""
    return type(thing).__module__.startswith("transformers_modules")


def read_config(folder: Path, *, trust_remote_code: bool) -> PreTrainedConfig:
    """Return the configuration in a folder.

    Classes of transformers are preferred; a class of the repository is used only for a model
    that transformers does not know, and only if that is allowed.

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
    foreign = _needs_code(path, raw, trust_remote_code=trust_remote_code)
    _check_storage(folder, raw)
    try:
        with quiet():
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=foreign
            )
    except Exception as error:
        raise ModelFileError(f"{path} cannot be used: {reason(error)}; correct it.") from error
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
    kernel = _foreign_kernel(raw)
    if kernel is not None:
        raise UnsafeModelError(
            f"{folder / 'config.json'} asks to fetch and run the kernel {kernel!r}; "
            "remove that entry from the file."
        )


def _foreign_kernel(raw: object) -> str | None:
    """Return an implementation named as a hub repository, which would be fetched and run."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key in _KERNEL_KEYS and isinstance(value, str) and "/" in value:
                return value
            found = _foreign_kernel(value)
            if found is not None:
                return found
    return None
