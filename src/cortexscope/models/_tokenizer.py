"""Read a model's tokenizer, its own or another's, and check that it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import normalizers
from torch import nn
from transformers import (
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TokenizersBackend,
)

from cortexscope.errors import ModelFileError, ModelNotFoundError, UnsafeModelError
from cortexscope.models._folder import holds_words, read_json, tokenizer_files
from cortexscope.models._panics import tokenizing
from cortexscope.models._quiet import quiet, reason

__all__ = ["check_vocabulary", "lower_cased", "read_tokenizer"]


def read_tokenizer(
    folder: Path, config: PreTrainedConfig, *, trust_remote_code: bool, called: Path
) -> PreTrainedTokenizerBase:
    """Return the tokenizer in a folder, a class of transformers where one fits.

    Args:
        folder: holds its files.
        config: of the model that it is for.
        trust_remote_code: whether code of the folder may run.
        called: how messages name the folder.

    Raises:
        ModelNotFoundError: if there is none.
        UnsafeModelError: if code of the repository would have to run.
        ModelError: if it cannot be read.
    """
    names = set(tokenizer_files(folder))
    if not holds_words(names) and "tokenizer_config.json" not in names:
        raise ModelNotFoundError(
            f"{called} has no tokenizer (no tokenizer.json, vocab or .model file); add its files, "
            "or take it from another model with --tokenizer REF (tokenizer= in Python)."
        )
    settings = folder / "tokenizer_config.json"
    raw = read_json(settings) if settings.is_file() else {}
    mapped = raw.get("auto_map")
    _check_longest(called / settings.name, raw.get("model_max_length"))
    try:
        # Given the configuration, transformers does not look there for code of its own accord.
        with quiet():
            try:
                read = AutoTokenizer.from_pretrained(
                    folder, config=config, local_files_only=True, trust_remote_code=False
                )
            except Exception:
                if not (mapped and trust_remote_code):
                    raise
                read = AutoTokenizer.from_pretrained(
                    folder, config=config, local_files_only=True, trust_remote_code=True
                )
            read("one")  # with settings of another type it is read, and fails at the first text
            return read
    except Exception as error:
        if mapped and not trust_remote_code:
            raise UnsafeModelError(
                f"{called / settings.name} asks to run code from the model's own folder; trust "
                "remote code if you have read that code, or choose another model."
            ) from error
        raise ModelFileError(
            f"The tokenizer in {called} cannot be read: {reason(error)}."
        ) from error


def _check_longest(path: Path, longest: object) -> None:
    number = isinstance(longest, int | float) and not isinstance(longest, bool) and longest > 0
    if longest is not None and not number:
        raise ModelFileError(
            f"{path} has {longest!r:.40} as model_max_length, which must be a number above 0; "
            "correct it."
        )


def lower_cased(tokenizer: PreTrainedTokenizerBase) -> None:
    """Have a tokenizer put each text into lower case first; special tokens in it stay.

    Of a tokenizer in Python these change too.
    """
    if isinstance(tokenizer, TokenizersBackend):
        backend = tokenizer.backend_tokenizer
        before = [backend.normalizer] if backend.normalizer is not None else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
        return
    prepare = tokenizer.prepare_for_tokenization

    def prepare_lower(text: str, **options: Any) -> Any:  # noqa: ANN401 - as it is there
        return prepare(text.lower(), **options)

    tokenizer.prepare_for_tokenization = prepare_lower


def check_vocabulary(
    tokenizer: PreTrainedTokenizerBase, built: PreTrainedModel, *, folder: Path
) -> None:
    """Check that the model has an embedding for every token of ordinary text.

    A token that was added by hand and that the tokenizer does not itself put into a text may lie
    outside: Gemma's image token does.

    Raises:
        ModelFileError: if it has not.
    """
    embedding = built.get_input_embeddings()
    if not isinstance(embedding, nn.Embedding) or len(tokenizer) <= embedding.num_embeddings:
        return
    added = tokenizer.get_added_vocab()
    ids = {id for token, id in tokenizer.get_vocab().items() if token not in added}
    with tokenizing(f"The tokenizer in {folder}", "a text without letters"):
        around = set(tokenizer("").input_ids)
    highest = max(ids | around, default=0)
    if highest >= embedding.num_embeddings:
        raise ModelFileError(
            f"The tokenizer in {folder} has token ids up to {highest} and the model embeddings up "
            f"to {embedding.num_embeddings - 1}, so they do not belong together; give the model's "
            "own with --tokenizer REF (tokenizer= in Python)."
        )
