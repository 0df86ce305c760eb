"""What is found out about a batch before it goes through the model to be measured."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from cortexscope.engine._batches import Batch
from cortexscope.engine._encode import Encoded
from cortexscope.engine.passes._reader import Reader
from cortexscope.models import tokenizing
from cortexscope.taps import Seen, Unread

__all__ = ["NO_PLACES", "Ahead", "encoding"]

NO_PLACES = "its tokenizer does not say which part of the text a token stands for"


class Ahead(ABC):
    """Finds out one thing about batches, in passes of its own where it takes some.

    Args:
        reader: of the model.
    """

    need: ClassVar[str]
    """What metrics that are told of it say that they need."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @abstractmethod
    def read(self, batch: Batch) -> Seen | Unread:
        """Return what metrics are shown of a batch, or why there is nothing."""


def encoding(item: Encoded, text: str, length: int, tokenizer: Any, *, decoder: bool) -> Any:  # noqa: ANN401
    """Return again what a fast tokenizer makes of a text, with all that it knows of its tokens."""
    known = inspect.signature(type(tokenizer).__call__).parameters
    name = "text_target" if decoder and "text_target" in known else "text"
    with tokenizing("Its tokenizer", item.prompt.id):
        return tokenizer(
            **{name: text},
            truncation=True,
            max_length=length,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            add_special_tokens=decoder or item.wrapped is None,
        )
