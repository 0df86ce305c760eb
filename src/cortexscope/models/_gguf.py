"""A `.gguf` file, converted once to a folder with safetensors in the user's cache."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from cortexscope.cache import cache_folder
from cortexscope.errors import CortexscopeError, ModelError, ModelFileError, UnsupportedModelError
from cortexscope.files import sha256_of, whole_folder
from cortexscope.models._claims import check_claims
from cortexscope.models._config import reason
from cortexscope.models._gguf_claims import check_gguf
from cortexscope.models._outline_claims import check_outline
from cortexscope.models._panics import contained
from cortexscope.models._quiet import quiet
from cortexscope.models._weights import incomplete

__all__ = ["Converted", "convert_gguf"]

_MAGIC = b"GGUF"
_VERSION = 1
"""Raised whenever the same file would convert to something else."""


_WORDLESS = "no_tokenizer.txt"
"""Says in a converted folder why it has no tokenizer."""


class Converted(NamedTuple):
    """A converted file: its folder and its own hash."""

    folder: Path
    sha256: str
    wordless: str | None
    """Why the folder has no tokenizer, None where it has one."""


def convert_gguf(path: Path, *, note: Callable[[str], None]) -> Converted:
    """Return the folder that a `.gguf` file was converted to, converting it now if need be.

    The weights become float32, which holds every dequantised value exactly. The folder is keyed
    by the file's hash and by the version of transformers, which does the dequantising.

    Raises:
        UnsupportedModelError: if the file holds something that transformers cannot convert.
        ModelError: if the file is damaged.
        StoreError: if the cache cannot be written.
    """
    digest = _checked_hash(path)
    key = f"{digest}-{_VERSION}-transformers-{transformers.__version__}"
    target = cache_folder("gguf") / key
    if target.is_dir():
        return _converted(target, digest)
    check_gguf(path)
    if importlib.util.find_spec("accelerate") is None:
        raise ModelError(f"Reading {path} needs accelerate; run `pip install accelerate`.")
    note(f"Converting {path.name} to safetensors, once (about 20 s for each 100 MB)")
    started = time.perf_counter()
    with whole_folder(target) as folder:
        _convert(path, folder)
    note(f"Converted {path.name} in {time.perf_counter() - started:.0f} s")
    return _converted(target, digest)


def _converted(folder: Path, digest: str) -> Converted:
    said = folder / _WORDLESS
    return Converted(folder, digest, said.read_text("utf-8") if said.is_file() else None)


def _checked_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        if magic != _MAGIC:
            raise ModelFileError(
                f"{path} is no GGUF file (it starts with {magic!r}); fetch the file again."
            )
        return sha256_of(path)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}; check its permissions."
        ) from error


def _convert(path: Path, folder: Path) -> None:
    try:
        # transformers draws its bar of the dequantising through no switch of its own.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            model, report = _read(path)
            problem = incomplete(report)
            if problem is not None:
                raise ModelFileError(
                    f"The weights in {path} do not fit its model: {problem}; fetch the file again "
                    "or choose another one."
                )
            model.config.quantization_config = None
            del model.config.quantization_config
            model.is_quantized = False
            model.hf_quantizer = None
            model.save_pretrained(folder)
            _save_words(path, folder)
    except CortexscopeError:
        raise
    except Exception as error:
        if _is_full(error):
            raise OSError(errno.ENOSPC, "No space left on device") from error
        if "not supported" in str(error) or isinstance(error, NotImplementedError | KeyError):
            raise UnsupportedModelError(
                f"{path} holds a model that transformers {transformers.__version__} cannot "
                f"convert ({reason(error)}); give its safetensors folder."
            ) from error
        raise ModelError(f"{path} cannot be converted: {reason(error)}.") from error


def _read(path: Path) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = AutoConfig.from_pretrained(path.parent, **_where(path))
    check_claims(path, config.to_dict())
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        built = auto.from_config(config)
    check_outline(built, path, held=path.stat().st_size)
    model, report = auto.from_pretrained(
        path.parent, dtype=torch.float32, output_loading_info=True, **_where(path)
    )
    return model, report


def _where(path: Path) -> dict[str, Any]:
    return {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}


def _save_words(path: Path, folder: Path) -> None:
    """Write the tokenizer of a file, or why it has none: another model's may be taken then."""
    from transformers import AutoTokenizer

    try:
        with contained():
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **_where(path))
    # What a file lacks or holds in another way surfaces as nearly any error.
    except Exception as error:
        kind = _field(path, "tokenizer.ggml.model")
        why = "it holds none" if kind is None else f"its {kind!r} cannot be read: {reason(error)}"
        (folder / _WORDLESS).write_text(why, encoding="utf-8")
        return
    tokenizer.save_pretrained(folder)


def _field(path: Path, name: str) -> str | None:
    import gguf

    field = gguf.GGUFReader(str(path)).get_field(name)
    return None if field is None else str(field.contents())


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # safetensors writes in Rust and reports the number of the error in words.
    return "os error 28" in str(error) or "os error 122" in str(error)
