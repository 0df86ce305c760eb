"""Measure shards of a plan with one loaded model: the part that any backend runs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

import pyarrow as pa
import torch
from torch import Tensor

from cortexscope.engine._observer import Lengths, Observer, needs_of, tabulate
from cortexscope.engine._plan import Batch, Shard
from cortexscope.errors import CortexscopeError, ModelError
from cortexscope.metrics._metric import Metric, Values
from cortexscope.models import Model, find_anatomy
from cortexscope.taps import Tap

__all__ = ["Worker"]


class Worker:
    """A model with its metrics, ready to measure.

    Args:
        model: loaded.
        metrics: what to measure.
    """

    def __init__(self, model: Model, metrics: Sequence[Metric]) -> None:
        self._model = model
        self._metrics = metrics
        self._anatomy = find_anatomy(model.module)
        # Below the unembedding where it can be left out.
        self._scope = model.module.get_submodule(self._anatomy.scope)
        tokenizer = model.tokenizer
        spare = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        # A token that was added to the tokenizer alone has no row in the embedding.
        rows = getattr(model.module.get_input_embeddings(), "num_embeddings", math.inf)
        self._padding = next(token for token in spare if token is not None and token < rows)
        parameters = inspect.signature(self._scope.forward).parameters
        # Keys and values kept for a next token would only cost memory.
        self._options = {"use_cache": False} if "use_cache" in parameters else {}

    def measure(self, shard: Shard, advance: Callable[[int], None]) -> pa.Table:
        """Return the measurements of a shard, in the columns of the contract.

        Args:
            shard: what to read.
            advance: told the number of tokens after each batch.

        Raises:
            ModelError: if the model fails on a batch; the prompt ids are named.
        """
        tables: list[pa.Table] = []
        batch: Batch | None = None

        def deliver(results: list[tuple[Metric, list[Values]]], lengths: Lengths) -> None:
            assert batch is not None
            tables.append(
                tabulate(
                    results,
                    model=self._model.info.model,
                    prompts=[(item.prompt.id, item.prompt.task) for item in batch.items],
                    lengths=lengths,
                )
            )

        tap = Tap(
            self._model.module,
            self._anatomy,
            needs=needs_of(self._metrics),
            receiver=Observer(self._metrics, self._anatomy, deliver),
        )
        with tap, torch.inference_mode():
            for batch in shard.batches:
                self._forward(batch)
                advance(batch.tokens)
        return pa.concat_tables(tables)

    def _forward(self, batch: Batch) -> None:
        inputs = self._padded("", [item.ids for item in batch.items])
        if len(self._anatomy.stacks) > 1:
            targets = [item.target for item in batch.items if item.target is not None]
            inputs |= self._padded("decoder_", targets)
        try:
            self._scope(**inputs, **self._options)
        except CortexscopeError:
            raise
        except Exception as error:
            first, last = batch.items[0].prompt.id, batch.items[-1].prompt.id
            raise ModelError(
                f"{self._model.info.model} failed on the batch of prompts {first} to {last} "
                f"({len(batch.items)} of up to {batch.longest} tokens): "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}; "
                "a smaller --batch-tokens helps if memory ran out, --debug shows the whole error."
            ) from error

    def _padded(self, name: str, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return token ids and their mask, padded on the right, under a stack's names for them."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self._padding)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1
        device = self._model.device
        return {f"{name}input_ids": ids.to(device), f"{name}attention_mask": mask.to(device)}
