"""Where in a text's bytes each of its tokens ends, of any tokenizer that says its places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

__all__ = ["byte_ends"]


def byte_ends(encoding: Any, text: str, tokenizer: Any) -> list[float]:  # noqa: ANN401
    """Return up to which byte (UTF-8) of a text each token and those before it stand for.

    A token stands for what it spells, and for what the tokenizer drops before it, such as the
    space between words of WordPiece; special tokens that are put around the text stand for
    nothing. Where a token ends within a character, so does its share of the bytes. Only where a
    tokenizer also rewrites the characters that it parts (a ligature, an accent) do their tokens
    share the bytes in proportion to what they spell, which need not be whole.

    Args:
        encoding: what the tokenizer made of the text, with offsets and the mask of special tokens.
        text: what it read.
        tokenizer: a fast one.
    """
    spell = _Spelling.of(tokenizer.backend_tokenizer)
    content = text.encode()
    place = list(accumulate((len(letter.encode()) for letter in text), initial=0))
    tokens = [
        _Token(spell.bytes_of(name), begin, end, bool(special) and begin == end)
        for name, (begin, end), special in zip(
            encoding.tokens(),
            encoding["offset_mapping"],
            encoding["special_tokens_mask"],
            strict=True,
        )
    ]
    ends: list[float] = []
    reached = 0
    for group in _groups(tokens):
        found = _spelt(group, content, reached)
        if found is None:
            last = max(reached, place[max(token.end for token in group)])
            found = _shared(group, reached, last)
            reached = last
        elif found:
            reached = int(found[-1])
        ends += found
    return ends


class _Token(NamedTuple):
    spelling: bytes
    begin: int
    """Its first character in the text."""
    end: int
    outside: bool
    """Whether it was put around the text."""


def _groups(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    """Yield neighbouring tokens, those together that part a character between them."""
    group: list[_Token] = []
    for token in tokens:
        if group and (token.outside or group[-1].outside or token.begin >= group[-1].end):
            yield group
            group = []
        group.append(token)
    if group:
        yield group


def _spelt(group: Sequence[_Token], content: bytes, reached: int) -> list[float] | None:
    """Return where tokens end that spell the text from a byte on; None where they do not."""
    ends: list[float] = []
    for token in group:
        if not token.outside:
            own = token.spelling
            # The space that a tokenizer puts before a text, unless it stands for one that is there.
            added = own.startswith(b" ") and (own != b" " or not _is_space(content, reached))
            if not content.startswith(own, reached) and added:
                own = own[1:]
            elif not own:
                return None
            if not content.startswith(own, reached):
                return None
            reached += len(own)
        ends.append(float(reached))
    return ends


def _is_space(content: bytes, place: int) -> bool:
    return content[place : place + 1].isspace()


def _shared(group: Sequence[_Token], begin: int, end: int) -> list[float]:
    sizes = [max(1, len(token.spelling)) for token in group]
    return [begin + (end - begin) * size / sum(sizes) for size in accumulate(sizes)]


class _Spelling(NamedTuple):
    """How a tokenizer writes its tokens."""

    bytewise: bool
    """Each letter of a token stands for a byte, as in GPT-2."""
    prefix: str
    """Of a token that continues a word."""
    suffix: str
    """Of a token that ends one."""

    @classmethod
    def of(cls, backend: Any) -> _Spelling:  # noqa: ANN401 - of tokenizers
        parts = (backend.normalizer, backend.pre_tokenizer, backend.decoder)
        bytewise = any(part is not None and b'"ByteLevel"' in part.__getstate__() for part in parts)
        model = backend.model
        return cls(
            bytewise,
            getattr(model, "continuing_subword_prefix", None) or "",
            getattr(model, "end_of_word_suffix", None) or "",
        )

    def bytes_of(self, token: str) -> bytes:
        if self.bytewise:
            letters = [_ALPHABET.get(letter) for letter in token]
            if None not in letters:
                return bytes(letter for letter in letters if letter is not None)
        if re.fullmatch(r"<0x[0-9A-F]{2}>", token):
            return bytes.fromhex(token[3:5])
        word = token.removeprefix(self.prefix).removesuffix(self.suffix)
        return word.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode()


def _alphabet() -> dict[str, int]:
    """Return the byte of each letter of GPT-2's alphabet: visible ones are their own."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {
        chr(256 + number): byte for number, byte in enumerate(others)
    }


_ALPHABET = _alphabet()
