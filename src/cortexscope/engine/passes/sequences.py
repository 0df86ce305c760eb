"""Read sequences that are made to find heads which copy: random tokens, twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from cortexscope.engine.passes._reader import Reader
from cortexscope.measure.observer import Finished, Observer, needs_of
from cortexscope.measure.tabulate import tabulate
from cortexscope.metrics.base.metric import Metric, Values

__all__ = ["Sequences", "repeated_tokens"]

_SEQUENCES = 8
_LENGTH = 32
"""Tokens before they repeat."""


def repeated_tokens(
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
    *,
    vocabulary: int,
    context: int | None,
    start: int | None,
) -> Int[Tensor, "sequence token"]:
    """Return sequences [start, x1 .. xn, x1 .. xn] of random tokens, the same at every call.

    Args:
        tokenizer: its special tokens are left out of the random ones.
        vocabulary: number of tokens that the model knows.
        context: the longest input it takes, None where there is no limit.
        start: the token that begins a sequence, None where none does.
    """
    length = _LENGTH if context is None else max(2, min(_LENGTH, (context - 1) // 2))
    special = set(tokenizer.all_special_ids)
    plain = torch.tensor([token for token in range(vocabulary) if token not in special])
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(plain), (_SEQUENCES, length), generator=generator)
    half = plain[chosen]
    parts = [half, half]
    if start is not None:
        parts.insert(0, torch.full((_SEQUENCES, 1), start))
    return torch.cat(parts, 1)


class Sequences:
    """Measures metrics of sequences; each value is the mean over them.

    Args:
        reader: of the model.
        metrics: what to measure; those of other units are left out.
    """

    unit: ClassVar[str] = "sequence"

    def __init__(self, reader: Reader, metrics: Sequence[Metric]) -> None:
        self._reader = reader
        self._metrics = [metric for metric in metrics if metric.spec.replication == self.unit]

    def measure(self) -> tuple[pa.Table, Mapping[str, str]]:
        """Return what was measured, in the columns of the contract, and how plug-ins failed."""
        reader = self._reader
        tables: list[pa.Table] = []
        failed: dict[str, str] = {}

        def deliver(finished: Finished) -> None:
            failed.update(finished.failed)
            results = [
                (metric, [_over_prompts(found) for found in values])
                for metric, values in finished.results
            ]
            tables.append(
                tabulate(results, model=reader.label, prompts=[(None, None)], lengths=None)
            )

        tokenizer, info = reader.model.tokenizer, reader.model.info
        starts = (tokenizer.bos_token_id, tokenizer.cls_token_id)
        start = next((token for token in starts if token is not None), None)
        ids = repeated_tokens(
            tokenizer, vocabulary=info.vocabulary, context=info.context, start=start
        ).to(reader.model.device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if reader.has_pair:
            inputs |= {f"decoder_{name}": value for name, value in inputs.items()}
        observer = Observer(self._metrics, reader.anatomy, deliver, spares=True)
        needs = needs_of(self._metrics)
        with reader.tap(needs, observer, sample=None), torch.inference_mode():
            reader.forward(**inputs)
        return pa.concat_tables(tables), failed


def _over_prompts(found: Values) -> Values:
    """Return the mean over the prompts of a batch, as if of one prompt."""
    if found.values is None:
        return found
    tokens = None if found.tokens is None else found.tokens.sum(1, keepdim=True)
    return replace(found, values=found.values.mean(1, keepdim=True), tokens=tokens)
