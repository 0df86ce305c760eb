"""What a model reads when it is checked: prompts of random tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch

from cortexscope.errors import UnsupportedModelError
from cortexscope.models import known_part, sizes_of
from cortexscope.selfchecks._subject import Subject, Text

__all__ = ["make_texts"]

_SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
_LENGTHS = (7, 40, 1, 33, 2)
_SHORT_WINDOW = 64
"""A window up to this many tokens is worth a prompt that is longer."""


def make_texts(
    subject: Subject,
    *,
    special: Sequence[int] = (),
    context: int | None = None,
    lengths: Sequence[int] | None = None,
    seed: int = 0,
) -> list[Text]:
    """Return prompts of random tokens, special ones left out.

    They have 1 to 40 tokens and, where the model has a short sliding window, more than that; none
    is longer than the model's context.

    Args:
        subject: who reads them.
        special: token ids to leave out, beside those its configuration names.
        context: longest input, as its configuration says where None.
        lengths: instead of the usual ones.
        seed: of the random numbers.
    """
    config = getattr(known_part(subject.module), "config", None)
    vocabulary = _vocabulary(subject, config)
    if config is not None and context is None:
        with contextlib.suppress(UnsupportedModelError):
            context = sizes_of(config, vocabulary=vocabulary).context
    barred = {subject.padding, *special, *(getattr(config, name, None) for name in _SPECIAL)}
    allowed = [token for token in range(vocabulary) if token not in barred] or [0]
    if lengths is None:
        lengths = (*_LENGTHS, *(window + 9 for window in _windows(config)))
    lengths = [min(length, context or length) for length in lengths]
    turn = 3 % len(lengths)
    targets = lengths[turn:] + lengths[:turn]
    if len(subject.anatomy.stacks) == 1:
        targets = [0] * len(lengths)
    generator = torch.Generator().manual_seed(seed)

    def drawn(length: int) -> tuple[int, ...]:
        places = torch.randint(len(allowed), (length,), generator=generator).tolist()
        return tuple(allowed[place] for place in places)

    return [Text(drawn(n), drawn(m)) for n, m in zip(lengths, targets, strict=True)]


def _vocabulary(subject: Subject, config: object) -> int:
    path = subject.anatomy.embedding
    table = None if path is None else subject.module.get_submodule(path)
    for size in (getattr(table, "num_embeddings", None), getattr(config, "vocab_size", None)):
        if isinstance(size, int):
            return size
    raise UnsupportedModelError(
        f"{type(subject.module).__name__} shows no size of its vocabulary; give selfcheck prompts "
        "as token ids."
    )


def _windows(config: object) -> list[int]:
    """Return the sliding windows of a configuration that are short and longer than no prompt."""
    found = set()
    for name in (
        "sliding_window",
        "attention_window",
        "local_attention",
        "attention_window_size",
        "window_size",
    ):
        value = getattr(config, name, None)
        found |= set(value) if isinstance(value, list) else {value}
    sizes = [x for x in found if isinstance(x, int) and 0 < x <= _SHORT_WINDOW]
    return [x for x in sizes if x + 9 > max(_LENGTHS)]
