"""Where a model's words come from: its own folder, its adapter's, or that of another model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from cortexscope.models._config import read_config
from cortexscope.models._folder import hash_tokenizer, holds_words, tokenizer_files
from cortexscope.models._sentences import (
    SentenceSettings,
    is_sentence_folder,
    read_sentence_settings,
)
from cortexscope.models._tokenizer import lower_cased, read_tokenizer
from cortexscope.records import TokenizerInfo

__all__ = ["Named", "Words", "brings_words", "read_words"]

_UNLIMITED = 1 << 30


class Named(NamedTuple):
    """A tokenizer that was asked for, and its folder."""

    reference: str
    folder: Path


class Words(NamedTuple):
    """A tokenizer, and where it comes from."""

    tokenizer: PreTrainedTokenizerBase
    folder: Path
    """Whose files say which words there are."""
    info: TokenizerInfo
    hashes: dict[str, str]
    """Of its files that lie outside the model's folder."""
    notes: tuple[str, ...]
    """What a user should know of it."""


def read_words(
    folder: Path,
    config: PreTrainedConfig,
    *,
    adapter: Path | None,
    named: Named | None,
    trust_remote_code: bool,
) -> Words:
    """Return the tokenizer that a model reads with.

    One that was asked for wins over the adapter's, which was trained with it, and that over the
    model's. Files of an adapter that hold no words, such as a chat template, stand in place of
    the model's of the same name.

    Args:
        folder: the model's.
        config: the model's.
        adapter: its adapter's folder, None without one.
        named: the tokenizer that was asked for, None where none was.
        trust_remote_code: whether code of the folder may run.

    Raises:
        ModelError: if there is no tokenizer, or it cannot be read or trusted.
    """
    settings = _settings(folder, adapter, named)
    with _found(folder, adapter, named) as found:
        if found.place != folder and (found.place / "config.json").is_file():
            config = read_config(found.place, trust_remote_code=trust_remote_code)
        tokenizer = read_tokenizer(
            found.files, config, trust_remote_code=trust_remote_code, called=found.place
        )
    notes = [*found.notes, *settings.notes]
    if settings.lower_case:
        lower_cased(tokenizer)
        notes.append(f"reads text in lower case, as {settings.file} asks")
    longest = settings.longest
    if longest is not None:
        notes.append(f"reads at most {longest} tokens, as {settings.file} asks")
    elif named is None and is_sentence_folder(folder):
        # The default of sentence-transformers; a tokenizer without a limit has a number like 1e30.
        longest = int(tokenizer.model_max_length)
        longest = longest if longest < _UNLIMITED else None
    info = TokenizerInfo(
        source=found.source,
        kind=type(tokenizer).__name__,
        lower_case=settings.lower_case,
        longest=longest,
    )
    return Words(tokenizer, found.place, info, found.hashes, tuple(notes))


def brings_words(adapter: Path) -> bool:
    """Return whether an adapter's folder holds a whole tokenizer."""
    return holds_words(tokenizer_files(adapter))


class _Found(NamedTuple):
    source: str
    place: Path
    """The folder that holds the words."""
    files: Path
    """The folder to read."""
    hashes: dict[str, str]
    notes: tuple[str, ...] = ()


@contextmanager
def _found(folder: Path, adapter: Path | None, named: Named | None) -> Iterator[_Found]:
    """Yield where a tokenizer is, in a folder that may be gone after the block."""
    if named is not None:
        hashes = _prefixed("tokenizer", named.folder) if named.folder != folder else {}
        yield _Found(named.reference, named.folder, named.folder, hashes)
        return
    own = [] if adapter is None else tokenizer_files(adapter)
    if adapter is None or not own:
        yield _Found("model", folder, folder, {})
        return
    hashes = _prefixed("adapter", adapter)
    if holds_words(own):
        note = "reads text with the adapter's own tokenizer"
        yield _Found("adapter", adapter, adapter, hashes, (note,))
        return
    note = f"reads text with its tokenizer and the adapter's {', '.join(own)}"
    with tempfile.TemporaryDirectory(prefix="cortexscope-words-") as scratch:
        for source, names in ((folder, _small_files(folder)), (adapter, own)):
            for name in names:
                (Path(scratch) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, Path(scratch) / name)
        yield _Found("model and adapter", folder, Path(scratch), hashes, (note,))


def _small_files(folder: Path) -> list[str]:
    code = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    return [*tokenizer_files(folder), *code]


def _prefixed(kind: str, folder: Path) -> dict[str, str]:
    return {f"{kind}/{name}": value for name, value in hash_tokenizer(folder).items()}


def _settings(folder: Path, adapter: Path | None, named: Named | None) -> SentenceSettings:
    """Return the settings of the nearest folder that has some, the adapter's before the model's.

    How texts are written is a matter of the tokenizer, and how long they may be one of the model.
    """
    near = SentenceSettings() if adapter is None else read_sentence_settings(adapter)
    settings = read_sentence_settings(folder) if near.file is None else near
    if named is None or named.folder == folder:
        return settings
    other = read_sentence_settings(named.folder)
    return settings._replace(lower_case=other.lower_case, file=settings.file or other.file)
