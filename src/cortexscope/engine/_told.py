"""What is found out about a batch before it goes through the model: its bytes, hidden tokens."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from cortexscope.engine._batches import Batch
from cortexscope.engine._bytes import byte_ends
from cortexscope.engine._plan import Encoded
from cortexscope.models import Anatomy, Model, known_part
from cortexscope.taps import MaskedPredictions, MaskedWordPredictions, Text, Tokens, Unread
from cortexscope.taps._predictions import distributions, spread_out
from cortexscope.taps._readout import NO_HEAD, Readout, ReadoutError

__all__ = ["MaskedPasses", "text_of"]

_NOT_MASKED = "it is no masked language model; surprisal measures one that predicts the next token"
_NO_MASK = "its tokenizer has no token that hides another"
_NO_PLACES = "its tokenizer does not say which part of the text a token stands for"
_TOKENS = 1024
"""Tokens of one pass with hidden tokens, or as many as the batch has if they are more."""

Forward = Callable[..., Any]
"""Runs the model below its head."""


def text_of(batch: Batch, tokenizer: Any, *, decoder: bool) -> Text | Unread:  # noqa: ANN401
    """Return how many bytes of text the tokens after the first stand for, prompt by prompt.

    Args:
        batch: the prompts.
        tokenizer: the model's.
        decoder: whether it is the targets that are predicted.
    """
    if not getattr(tokenizer, "is_fast", False):
        return Unread("text", _NO_PLACES)
    sizes = [_bytes(item, tokenizer, decoder) for item in batch.items]
    return Text(torch.tensor(sizes).double())


def _bytes(item: Encoded, tokenizer: Any, decoder: bool) -> float:  # noqa: ANN401
    text, ids = (
        (item.prompt.target, item.target)
        if decoder
        else (item.wrapped or item.prompt.text, item.ids)
    )
    # Random tokens stand for no text.
    if not text or not ids or (item.prompt.control == "random" and not decoder):
        return 0.0
    ends = byte_ends(_encoding(item, text, len(ids), tokenizer, decoder), text, tokenizer)
    # A decoder reads its start token, and of these all but the last.
    return ([0.0, *ends[:-1]][-1]) if decoder else ends[-1] - ends[0]


def _encoding(item: Encoded, text: str, length: int, tokenizer: Any, decoder: bool) -> Any:  # noqa: ANN401
    """Return again what a fast tokenizer makes of a text, with all that it knows of its tokens."""
    known = inspect.signature(type(tokenizer).__call__).parameters
    name = "text_target" if decoder and "text_target" in known else "text"
    return tokenizer(
        **{name: text},
        truncation=True,
        max_length=length,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        add_special_tokens=decoder or item.wrapped is None,
    )


def _words(item: Encoded, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Return the number of each token's word, as the tokenizer parts the text; -1 for none."""
    if item.prompt.control == "random":
        # Random tokens make no words.
        return list(range(len(item.ids)))
    text = item.wrapped or item.prompt.text
    numbers = _encoding(item, text, len(item.ids), tokenizer, False).word_ids()
    rest = [None] * (len(item.ids) - len(numbers))
    return [-1 if number is None else number for number in (*numbers, *rest)]


class MaskedPasses:
    """Predicts each token of a batch from all others, in passes with one hidden token a prompt.

    Args:
        model: loaded.
        anatomy: of it.
        need: `masked`, or `masked.word` to hide the later tokens of the word too.
    """

    def __init__(
        self, model: Model, anatomy: Anatomy, need: Literal["masked", "masked.word"]
    ) -> None:
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

        self._need: Literal["masked", "masked.word"] = need
        self._tokenizer = model.tokenizer
        self._readout = Readout(model.module, anatomy)
        known = known_part(model.module)
        masked = known is not None and type(known.config) in MODEL_FOR_MASKED_LM_MAPPING
        self._refusal: str | None = None
        if anatomy.unembedding is None:
            self._refusal = NO_HEAD
        elif not masked or anatomy.stacks[-1].name != "encoder":
            self._refusal = _NOT_MASKED
        elif model.tokenizer.mask_token_id is None:
            self._refusal = _NO_MASK
        elif need == "masked.word" and not getattr(model.tokenizer, "is_fast", False):
            self._refusal = _NO_PLACES

    def read(
        self, batch: Batch, ids: Tensor, mask: Tensor, forward: Forward
    ) -> MaskedPredictions | Unread:
        """Return what is predicted of each token that is no special one.

        Args:
            batch: the prompts.
            ids: of them, [prompt, token].
            mask: 1 where there is a token and 0 where there is padding.
            forward: takes both, and runs the model below its head.
        """
        if self._refusal is not None:
            return Unread(self._need, self._refusal)
        words = self._words(batch, ids) if self._need == "masked.word" else None
        hidden = self._maskable(ids, mask)
        rows, places = hidden.nonzero(as_tuple=True)
        step = max(_TOKENS, ids.numel()) // ids.shape[1] or 1
        try:
            found = [
                self._surprisal(ids, mask, words, forward, rows[part], places[part])
                for part in (slice(i, i + step) for i in range(0, len(rows), step))
            ]
        except ReadoutError as error:
            return Unread(self._need, str(error))
        column = torch.cat(found) if found else torch.zeros(0, device=ids.device)
        kind = MaskedPredictions if words is None else MaskedWordPredictions
        return kind(Tokens(hidden.to(column.device)), spread_out(column, hidden))

    def _words(self, batch: Batch, ids: Tensor) -> Tensor:
        words = torch.full_like(ids, -1)
        for row, item in enumerate(batch.items):
            numbers = torch.tensor(_words(item, self._tokenizer))
            words[row, : len(numbers)] = numbers.to(ids.device)
        return words

    def _maskable(self, ids: Tensor, mask: Tensor) -> Tensor:
        special = [
            self._tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True)
            for row in ids.tolist()
        ]
        return mask.bool() & (torch.tensor(special, device=mask.device) == 0)

    def _surprisal(
        self,
        ids: Tensor,
        mask: Tensor,
        words: Tensor | None,
        forward: Forward,
        rows: Tensor,
        places: Tensor,
    ) -> Tensor:
        copies = ids[rows]
        each = torch.arange(len(rows), device=ids.device)
        copies[each, places] = self._tokenizer.mask_token_id
        if words is not None:
            later = torch.arange(ids.shape[1], device=ids.device) > places[:, None]
            same = (words[rows] == words[rows, places][:, None]) & (words[rows] >= 0)
            copies[later & same] = self._tokenizer.mask_token_id
        output = forward(input_ids=copies, attention_mask=mask[rows])
        states = output[0][each, places]
        return distributions(self._readout, states, ids[rows, places])[3]
