"""Decide before anything runs which prompts go together: tokens, batches, shards."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

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
    target: tuple[int, ...] | None = None
    """What the decoder of an encoder-decoder reads, start token first; None for other models."""

    @property
    def tokens(self) -> int:
        """Tokens of both inputs."""
        return len(self.ids) + len(self.target or ())


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of similar length that go through the model together, longest first.

    The length of a prompt is that of both inputs, where the model is an encoder-decoder.
    """

    items: tuple[Encoded, ...]

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt, to which the others are padded."""
        return max(len(item.ids) for item in self.items)

    @property
    def longest_target(self) -> int:
        """Tokens of the longest decoder input, 0 for a model that has none."""
        return max(len(item.target or ()) for item in self.items)

    @property
    def tokens(self) -> int:
        """Tokens of all inputs, without padding."""
        return sum(item.tokens for item in self.items)


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
    vocabulary: int | None = None,
    decoder_start: int | None = None,
) -> tuple[list[Encoded], list[Truncation]]:
    """Tokenize every prompt once, with the model's own special tokens.

    For an encoder-decoder the prompt's target is tokenized as labels are, and shifted right as in
    teacher forcing: the start token, then the ids but the last, which is only predicted.

    Args:
        prompts: what to read.
        tokenizer: the model's.
        model: its label, for messages.
        context: the longest input the model takes, None where there is no limit; it holds for
            the target as well.
        truncate: cut longer prompts and targets at their end; special tokens stay.
        vocabulary: number of tokens that the model knows, None if that is not known.
        decoder_start: the decoder's start token, None for a model that is no encoder-decoder.

    Raises:
        SuiteError: if a prompt or a target is longer than the model's context and may not be cut,
            or has no token at all, or one that the model does not know; it names the file, line
            and id.
    """
    reader = _Reader(tokenizer, model, context, vocabulary, truncate)
    encoded = []
    cut: list[Truncation] = []
    for prompt in prompts:
        ids = reader.ids(prompt, "text", cut)
        target = None
        if decoder_start is not None:
            labels = reader.ids(prompt, "target", cut) if prompt.target else ()
            target = (decoder_start, *labels[:-1])
        encoded.append(Encoded(prompt, ids, target))
    return encoded, cut


class _Reader(NamedTuple):
    tokenizer: Any
    model: str
    context: int | None
    vocabulary: int | None
    truncate: bool

    def ids(
        self, prompt: Prompt, part: Literal["text", "target"], cut: list[Truncation]
    ) -> tuple[int, ...]:
        """Return the ids of one of the prompt's texts, and note in `cut` if not all fit."""
        text = (prompt.text if part == "text" else prompt.target) or ""
        ids = self._tokenize(text, part, longest=None)
        where = f"{prompt.source or 'prompt'} ({prompt.id})"
        where = where if part == "text" else f"The target of {where}"
        if not ids:
            raise SuiteError(
                f"{where} has no tokens for {self.model}: its tokenizer drops all of {text!r}; "
                f"change the {part}."
            )
        if self.vocabulary is not None and max(ids) >= self.vocabulary:
            word = self.tokenizer.convert_ids_to_tokens(max(ids))
            raise SuiteError(
                f"{where} holds {word!r}, which {self.model}'s tokenizer knows and the model, of "
                f"{self.vocabulary} tokens, does not; take it out of the {part}."
            )
        if self.context is None or len(ids) <= self.context:
            return ids
        if not self.truncate:
            raise SuiteError(
                f"{where} has {len(ids)} tokens and {self.model} reads at most {self.context}; "
                f"shorten the {part}, or cut it there with --truncate."
            )
        cut.append(
            Truncation(
                model=self.model,
                prompt_id=prompt.id,
                tokens=len(ids),
                kept=self.context,
                part=part,
            )
        )
        return self._tokenize(text, part, longest=self.context)

    def _tokenize(self, text: str, part: str, *, longest: int | None) -> tuple[int, ...]:
        known = inspect.signature(type(self.tokenizer).__call__).parameters
        cut = longest is not None
        options: dict[str, Any] = {"truncation": cut, "max_length": longest, "verbose": cut}
        if part == "target" and "text_target" in known:
            return tuple(self.tokenizer(text_target=text, **options)["input_ids"])
        return tuple(self.tokenizer(text, **options)["input_ids"])


def batches_of(encoded: Sequence[Encoded], *, batch_tokens: int) -> Iterator[Batch]:
    """Yield batches of prompts of similar length, both inputs together, the longest first.

    The order depends on lengths and ids alone, so the same suite gives the same batches.

    Args:
        encoded: the prompts.
        batch_tokens: most tokens of a batch, padding of both inputs included; a longer prompt
            goes alone.
    """
    group: list[Encoded] = []
    longest = longest_target = 0
    for item in sorted(encoded, key=lambda item: (-item.tokens, item.prompt.id)):
        own, own_target = len(item.ids), len(item.target or ())
        width = max(longest, own) + max(longest_target, own_target)
        full = (len(group) + 1) * width > batch_tokens
        if group and (full or item.tokens < _ALIKE * group[0].tokens):
            yield Batch(tuple(group))
            group, longest, longest_target = [], 0, 0
        group.append(item)
        longest, longest_target = max(longest, own), max(longest_target, own_target)
    if group:
        yield Batch(tuple(group))


def shards_of(encoded: Sequence[Encoded], *, batch_tokens: int, shard_batches: int) -> list[Shard]:
    """Return the shards of a model's work: so many batches each, in order."""
    every = list(batches_of(encoded, batch_tokens=batch_tokens))
    groups = [every[i : i + shard_batches] for i in range(0, len(every), shard_batches)]
    return [Shard(number, tuple(group)) for number, group in enumerate(groups)]
