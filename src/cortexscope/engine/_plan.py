"""Decide before anything runs which prompts go together: tokens, batches, shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cortexscope.errors import SuiteError
from cortexscope.records import Prompt, Truncation

__all__ = ["Batch", "Encoded", "Shard", "batches_of", "encode", "shards_of"]

_ALIKE = 0.75
"""The shortest prompt of a batch has at least this share of the tokens of the longest."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as the model reads it."""

    prompt: Prompt
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of similar length that go through the model together, longest first."""

    items: tuple[Encoded, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, to which the others are padded."""
        return len(self.items[0].ids)

    @property
    def tokens(self) -> int:
        """Tokens of all prompts, without padding."""
        return sum(len(item.ids) for item in self.items)


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of the work that is stored as one file when it is finished."""

    number: int
    batches: tuple[Batch, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all batches, without padding."""
        return sum(batch.tokens for batch in self.batches)


def encode(
    prompts: Sequence[Prompt],
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
    *,
    model: str,
    context: int | None,
    truncate: bool,
) -> tuple[list[Encoded], list[Truncation]]:
    """Tokenize every prompt once, with the model's own special tokens.

    Args:
        prompts: what to read.
        tokenizer: the model's.
        model: its label, for messages.
        context: the longest input the model takes, None where there is no limit.
        truncate: cut longer prompts at their end; special tokens stay.

    Raises:
        SuiteError: if a prompt is longer than the model's context and may not be cut, or has no
            token at all; it names the file, line and id.
    """
    encoded, cut = [], []
    for prompt in prompts:
        ids = tokenizer(prompt.text, verbose=False)["input_ids"]
        where = f"{prompt.source or 'prompt'} ({prompt.id})"
        if not ids:
            raise SuiteError(
                f"{where} has no tokens for {model}: its tokenizer drops all of {prompt.text!r}; "
                "change the text."
            )
        if context is not None and len(ids) > context:
            if not truncate:
                raise SuiteError(
                    f"{where} has {len(ids)} tokens and {model} reads at most {context}; "
                    "shorten the text, or cut it there with --truncate."
                )
            cut.append(Truncation(model=model, prompt_id=prompt.id, tokens=len(ids), kept=context))
            ids = tokenizer(prompt.text, truncation=True, max_length=context)["input_ids"]
        encoded.append(Encoded(prompt, tuple(ids)))
    return encoded, cut


def batches_of(encoded: Sequence[Encoded], *, batch_tokens: int) -> Iterator[Batch]:
    """Yield batches of prompts of similar length, the longest first.

    The order depends on lengths and ids alone, so the same suite gives the same batches.

    Args:
        encoded: the prompts.
        batch_tokens: most tokens of a batch, padding included; a longer prompt goes alone.
    """
    group: list[Encoded] = []
    for item in sorted(encoded, key=lambda item: (-len(item.ids), item.prompt.id)):
        if group:
            longest = len(group[0].ids)
            full = (len(group) + 1) * longest > batch_tokens
            if full or len(item.ids) < _ALIKE * longest:
                yield Batch(tuple(group))
                group = []
        group.append(item)
    if group:
        yield Batch(tuple(group))


def shards_of(encoded: Sequence[Encoded], *, batch_tokens: int, shard_batches: int) -> list[Shard]:
    """Return the shards of a model's work: so many batches each, in order."""
    every = list(batches_of(encoded, batch_tokens=batch_tokens))
    groups = [every[i : i + shard_batches] for i in range(0, len(every), shard_batches)]
    return [Shard(number, tuple(group)) for number, group in enumerate(groups)]
