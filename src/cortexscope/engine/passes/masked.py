"""Predict each token from all others, in passes with one hidden token a prompt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from cortexscope.engine._batches import Batch
from cortexscope.engine._encode import Encoded
from cortexscope.engine.passes._ahead import NO_PLACES, Ahead, encoding
from cortexscope.engine.passes._reader import Reader
from cortexscope.models import known_part
from cortexscope.taps import (
    NO_HEAD,
    MaskedPredictions,
    MaskedWordPredictions,
    Readout,
    ReadoutError,
    Tokens,
    Unread,
    distributions,
    spread_out,
)

__all__ = ["MaskedPasses", "MaskedWordPasses"]

_NOT_MASKED = "it is no masked language model; surprisal measures one that predicts the next token"
_NO_MASK = "its tokenizer has no token that hides another"
_TOKENS = 1024
"""Tokens of one pass with hidden tokens, or as many as the batch has if they are more."""

Forward = Callable[..., Any]
"""Runs the model below its head."""


def _words(item: Encoded, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Return the number of each token's word, as the tokenizer parts the text; -1 for none."""
    if item.prompt.control == "random":
        # Random tokens make no words.
        return list(range(len(item.ids)))
    text = item.wrapped or item.prompt.text
    numbers = encoding(item, text, len(item.ids), tokenizer, decoder=False).word_ids()
    rest = [None] * (len(item.ids) - len(numbers))
    return [-1 if number is None else number for number in (*numbers, *rest)]


class MaskedPasses(Ahead):
    """Hides the tokens of a batch one by one, and predicts each.

    Args:
        reader: of the model.
    """

    need: ClassVar[str] = "masked"

    def __init__(self, reader: Reader) -> None:
        from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

        model, anatomy = reader.model, reader.anatomy
        super().__init__(reader)
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

    def read(self, batch: Batch) -> MaskedPredictions | Unread:
        """Return what is predicted of each token that is no special one."""
        if self._refusal is not None:
            return Unread(self.need, self._refusal)
        ids, mask = self._reader.padded([item.ids for item in batch.items]).values()
        words = self._words(batch, ids)
        hidden = self._maskable(ids, mask)
        rows, places = hidden.nonzero(as_tuple=True)
        step = max(_TOKENS, ids.numel()) // ids.shape[1] or 1
        forward = partial(self._reader.run, batch)
        try:
            found = [
                self._surprisal(ids, mask, words, forward, rows[part], places[part])
                for part in (slice(i, i + step) for i in range(0, len(rows), step))
            ]
        except ReadoutError as error:
            return Unread(self.need, str(error))
        column = torch.cat(found) if found else torch.zeros(0, device=ids.device)
        return self._kind(Tokens(hidden.to(column.device)), spread_out(column, hidden))

    _kind: type[MaskedPredictions] = MaskedPredictions

    def _words(self, batch: Batch, ids: Tensor) -> Tensor | None:
        """Return the number of each token's word where its later tokens are hidden with it."""
        return None

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


class MaskedWordPasses(MaskedPasses):
    """Hides the later tokens of a token's word too.

    Args:
        reader: of the model.
    """

    need: ClassVar[str] = "masked.word"
    _kind = MaskedWordPredictions

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        if self._refusal is None and not getattr(self._tokenizer, "is_fast", False):
            self._refusal = NO_PLACES

    def _words(self, batch: Batch, ids: Tensor) -> Tensor:
        words = torch.full_like(ids, -1)
        for row, item in enumerate(batch.items):
            numbers = torch.tensor(_words(item, self._tokenizer))
            words[row, : len(numbers)] = numbers.to(ids.device)
        return words
