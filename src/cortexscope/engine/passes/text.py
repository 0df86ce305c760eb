"""Count the bytes of text that the tokens of a prompt stand for; no pass is taken."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from cortexscope.engine._batches import Batch
from cortexscope.engine._encode import Encoded
from cortexscope.engine.passes._ahead import NO_PLACES, Ahead, encoding
from cortexscope.engine.passes._bytes import byte_ends
from cortexscope.taps import Text, Unread

__all__ = ["TextSizes", "text_of"]


class TextSizes(Ahead):
    """Tells how many bytes of text are predicted of each prompt, or target where a model has one.

    Args:
        reader: of the model.
    """

    need: ClassVar[str] = "text"

    def read(self, batch: Batch) -> Text | Unread:
        """Return the bytes of each prompt, or why they are not known."""
        return text_of(batch, self._reader.model.tokenizer, decoder=self._reader.has_pair)


def text_of(batch: Batch, tokenizer: Any, *, decoder: bool) -> Text | Unread:  # noqa: ANN401
    """Return how many bytes of text the tokens after the first stand for, prompt by prompt.

    Args:
        batch: the prompts.
        tokenizer: the model's.
        decoder: whether it is the targets that are predicted.
    """
    if not getattr(tokenizer, "is_fast", False):
        return Unread("text", NO_PLACES)
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
    ends = byte_ends(encoding(item, text, len(ids), tokenizer, decoder=decoder), text, tokenizer)
    # A decoder reads its start token, and of these all but the last.
    return ([0.0, *ends[:-1]][-1]) if decoder else ends[-1] - ends[0]
