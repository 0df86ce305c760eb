"""Read a model's configuration and tokenizer; code of the model's own runs only by request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from cortexscope.errors import (
    ModelFileError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from cortexscope.models._folder import is_tokenizer_file, read_json
from cortexscope.models._quiet import quiet

__all__ = ["is_foreign", "reason", "read_config", "read_tokenizer"]

_KERNEL_KEYS = {
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "_experts_implementation",
}


def is_foreign(thing: object) -> bool:
    """Return whether an object's class came from a model's repository."""
    return type(thing).__module__.startswith("transformers_modules")


def reason(error: BaseException) -> str:
    """Return the part of another library's error that fits in a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Validation errors name the field in the first line and what is wrong in the second.
    text = " ".join(lines[:2]) if lines else type(error).__name__
    return (text if len(text) <= 300 else text[:297] + "...").rstrip(".")


def read_config(folder: Path, *, trust_remote_code: bool) -> PreTrainedConfig:
    """Return the configuration in a folder.

    Classes of transformers are preferred; a class of the repository is used only for a model
    that transformers does not know, and only if that is allowed.

    Raises:
        ModelNotFoundError: if there is no `config.json`.
        UnsafeModelError: if code of the repository would have to run.
        UnsupportedModelError: if transformers does not know the model, or it is stored quantised.
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
            f"{folder} holds an adapter and no model of its own; merge it into its base model, "
            "save that and give its folder."
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
            f"{folder} holds an adapter beside its model; merge the two, save that and give its "
            "folder."
        )
    quantization = raw.get("quantization_config")
    if quantization:
        method = quantization.get("quant_method") if isinstance(quantization, dict) else None
        raise UnsupportedModelError(
            f"{folder / 'config.json'} says that the weights are stored quantised "
            f"({method or 'unknown method'}); give the model's unquantised weights or a .gguf file."
        )
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


def read_tokenizer(
    folder: Path, config: PreTrainedConfig, *, trust_remote_code: bool
) -> PreTrainedTokenizerBase:
    """Return the tokenizer in a folder, a class of transformers where one fits.

    Raises:
        ModelNotFoundError: if there is none.
        UnsafeModelError: if code of the repository would have to run.
        ModelError: if it cannot be read.
    """
    if not any(is_tokenizer_file(path.name) for path in folder.iterdir()):
        raise ModelNotFoundError(
            f"{folder} has no tokenizer (no tokenizer.json, vocab or .model file); "
            "add the tokenizer's files."
        )
    settings = folder / "tokenizer_config.json"
    mapped = read_json(settings).get("auto_map") if settings.exists() else None
    try:
        # Given the configuration, transformers does not look there for code of its own accord.
        with quiet():
            try:
                return AutoTokenizer.from_pretrained(
                    folder, config=config, local_files_only=True, trust_remote_code=False
                )
            except Exception:
                if not (mapped and trust_remote_code):
                    raise
                return AutoTokenizer.from_pretrained(
                    folder, config=config, local_files_only=True, trust_remote_code=True
                )
    except Exception as error:
        if mapped and not trust_remote_code:
            raise UnsafeModelError(
                f"{settings} asks to run code from the model's own folder; trust remote code if "
                "you have read that code, or choose another model."
            ) from error
        raise ModelFileError(
            f"The tokenizer in {folder} cannot be read: {reason(error)}."
        ) from error
