"""Tokenize prompts before anything runs, and refuse what a model cannot read."""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cortexscope.errors import SuiteError, UsageError
from cortexscope.models import tokenizing
from cortexscope.records import Prompt, Truncation
from cortexscope.tasks import random_tokens

if TYPE_CHECKING:
    from cortexscope.models import Chat

__all__ = ["Encoded", "encode"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as the model reads it."""

    prompt: Prompt
    ids: tuple[int, ...]
    target: tuple[int, ...] | None = None
    """What the decoder of an encoder-decoder reads, start token first; None for other models."""
    wrapped: str | None = None
    """The text with all special tokens in it that the model begins with, of a chat template or its
    own; None where the tokenizer adds them."""

    @property
    def tokens(self) -> int:
        """Tokens of both inputs."""
        return len(self.ids) + len(self.target or ())


def encode(
    prompts: Sequence[Prompt],
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
    *,
    model: str,
    context: int | None,
    truncate: bool,
    vocabulary: int | None = None,
    decoder_start: int | None = None,
    chat: Chat | None = None,
) -> tuple[list[Encoded], list[Truncation]]:
    """Tokenize every prompt once, with the model's own special tokens.

    The control `random` of a prompt has as many tokens, its special ones in their places, and
    those of a chat template in theirs.

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
        chat: the model's chat template, in which conversations are read, and which may be put
            around each text; it is never cut. None, or
            one that is not usable, for texts as they are.

    Raises:
        UsageError: if the chat template fails on a text.
        ModelFileError: if the tokenizer does.
        SuiteError: if a prompt or a target is longer than the model's context and may not be cut,
            or has no token at all, or one that the model does not know; it names the file, line
            and id.
    """
    usable = chat if chat is not None and chat.use.frame is not None else None
    reader = _Reader(tokenizer, model, context, vocabulary, truncate, usable)
    encoded = []
    cut: list[Truncation] = []
    for prompt in prompts:
        with tokenizing(f"The tokenizer of {model}", _where(prompt)):
            ids, wrapped = reader.read(prompt, "text", cut)
            if prompt.control == "random":
                ids = reader.random(ids, prompt)
            target = None
            if decoder_start is not None:
                labels = reader.read(prompt, "target", cut).ids if prompt.target else ()
                target = (decoder_start, *labels[:-1])
        encoded.append(Encoded(prompt, ids, target, wrapped))
    return encoded, cut


class _Read(NamedTuple):
    ids: tuple[int, ...]
    wrapped: str | None = None


class _Reader(NamedTuple):
    tokenizer: Any
    model: str
    context: int | None
    vocabulary: int | None
    truncate: bool
    chat: Chat | None

    def chat_of(self, prompt: Prompt) -> Chat | None:
        """Return the chat template that a prompt is read in, if it is in any."""
        return self.chat if prompt.turns or (self.chat and self.chat.every) else None

    def read(self, prompt: Prompt, part: Literal["text", "target"], cut: list[Truncation]) -> _Read:
        """Return the ids of one of the prompt's texts, and note in `cut` if not all fit."""
        text = (prompt.text if part == "text" else prompt.target) or ""
        chat = self.chat_of(prompt) if part == "text" else None
        read = self._wrapped(chat, prompt) if chat else self._tokenize(text, part, longest=None)
        ids = read.ids
        where = _where(prompt)
        where = where if part == "text" else f"The target of {where}"
        if not ids:
            raise SuiteError(
                f"{where} has no tokens for {self.model}: its tokenizer drops all of {text!r}; "
                f"change the {part}."
            )
        if self.vocabulary is not None and max(ids) >= self.vocabulary:
            word = self.tokenizer.convert_ids_to_tokens(max(ids))
            if chat is not None and max(ids) in self._plain(chat.use.frame or ""):
                raise UsageError(
                    f"The chat template of {self.model} writes {word!r}, which its tokenizer knows "
                    f"and the model, of {self.vocabulary} tokens, does not; leave --chat-template "
                    "out, or add the adapter that was trained with it."
                )
            raise SuiteError(
                f"{where} holds {word!r}, which {self.model}'s tokenizer knows and the model, of "
                f"{self.vocabulary} tokens, does not; take it out of the {part}."
            )
        if self.context is None or len(ids) <= self.context:
            return read
        if not self.truncate:
            raise SuiteError(
                f"{where} has {len(ids)} tokens and {self.model} reads at most {self.context}; "
                f"shorten the {part}, or cut it there with --truncate."
            )
        if chat:
            read = self._shortened(chat, prompt, where, self.context)
        else:
            read = self._tokenize(text, part, longest=self.context)
        cut.append(
            Truncation(
                model=self.model,
                prompt_id=prompt.id,
                tokens=len(ids),
                kept=len(read.ids),
                part=part,
            )
        )
        return read

    def _shortened(self, chat: Chat, prompt: Prompt, where: str, context: int) -> _Read:
        """Return the longest beginning of a text that fits with its chat template around it.

        Of a conversation, the last turn is cut.
        """
        text = prompt.turns[-1].content if prompt.turns else prompt.text

        def tokens(length: int) -> int:
            return len(self._wrapped(chat, prompt, text[:length]).ids)

        kept = bisect_right(range(len(text)), context, key=tokens) - 1
        if kept < 1:
            around = (
                "the conversation before its last turn" if prompt.turns else "the chat template"
            )
            advice = "shorten it" if prompt.turns else "leave --chat-template out"
            raise SuiteError(
                f"{where} does not fit: {around} of {self.model} takes {tokens(0)} tokens "
                f"and the model reads at most {context}; {advice}."
            )
        return self._wrapped(chat, prompt, text[:kept])

    def random(self, ids: tuple[int, ...], prompt: Prompt) -> tuple[int, ...]:
        """Return as many ids, special ones as they are and the others drawn from all others."""
        ahead, behind = self._frame(ids, prompt)
        special = frozenset(self.tokenizer.all_special_ids)
        known = min(len(self.tokenizer), self.vocabulary or len(self.tokenizer))
        allowed = [token for token in range(known) if token not in special]
        own = random_tokens(ids[ahead:behind], allowed=allowed, keep=special, seed=prompt.id)
        return ids[:ahead] + own + ids[behind:]

    def _frame(self, ids: tuple[int, ...], prompt: Prompt) -> tuple[int, int]:
        """Return where the prompt's own tokens begin, and end, in what a chat template makes."""
        chat = self.chat_of(prompt)
        if chat is None or chat.use.frame is None:
            return 0, len(ids)
        around = self._wrapped(chat, prompt, "{prompt}").wrapped if prompt.turns else None
        frame = self._plain(around or chat.use.frame)
        ahead = _alike(ids, frame)
        return ahead, len(ids) - min(_alike(ids[::-1], frame[::-1]), len(ids) - ahead)

    def _wrapped(self, chat: Chat, prompt: Prompt, text: str | None = None) -> _Read:
        """Return a prompt in a chat template, with another text where one is given."""
        if prompt.turns:
            *before, last = prompt.turns
            wrapped = chat.render([*before, last if text is None else last._replace(content=text)])
        else:
            wrapped = chat.wrap(prompt.text if text is None else text)
        return _Read(self._plain(wrapped), wrapped)

    def _plain(self, text: str) -> tuple[int, ...]:
        # The template writes the special tokens itself.
        return tuple(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _tokenize(self, text: str, part: str, *, longest: int | None) -> _Read:
        known = inspect.signature(type(self.tokenizer).__call__).parameters
        cut = longest is not None
        options: dict[str, Any] = {"truncation": cut, "max_length": longest, "verbose": cut}
        if part == "target" and "text_target" in known:
            return _Read(tuple(self.tokenizer(text_target=text, **options)["input_ids"]))
        ids = tuple(self.tokenizer(text, **options)["input_ids"])
        if part == "text" and text.lstrip().startswith(tuple(self.tokenizer.all_special_tokens)):
            return self._once(text, longest) or _Read(ids)
        return _Read(ids)

    def _once(self, text: str, longest: int | None) -> _Read | None:
        """Return the ids of a text without those special ones that it holds already.

        As for a text out of a chat template: one that begins as the tokenizer lets each text begin
        would otherwise begin twice. None for one that does not.
        """
        ids = tuple(self.tokenizer(text, verbose=False)["input_ids"])
        plain = self._plain(text)
        places = range(1, len(ids) - len(plain) + 1)
        ahead = next((at for at in places if ids[at : at + len(plain)] == plain), None)
        if ahead is None or plain[:ahead] != ids[:ahead]:
            return None
        behind = ids[ahead + len(plain) :]
        body = plain[: -len(behind)] if behind and plain[-len(behind) :] == behind else plain
        return _Read(body[: None if longest is None else longest - len(behind)] + behind, text)


def _where(prompt: Prompt) -> str:
    return f"{prompt.source or 'prompt'} ({prompt.id})"


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many of the first ids are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
