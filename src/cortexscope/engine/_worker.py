"""Measure shards of a plan with one loaded model: the part that any backend runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import pyarrow as pa
import torch

from cortexscope.engine._observer import Observer, layout_of, needs_of, tabulate
from cortexscope.engine._plan import Batch, Shard
from cortexscope.errors import CortexscopeError, ModelError
from cortexscope.metrics._metric import Metric, Values
from cortexscope.models import Model, find_anatomy
from cortexscope.records import Stack
from cortexscope.taps import Tap

__all__ = ["Worker", "stack_of"]


def stack_of(kind: str) -> Stack:
    """Return the name of the one stack of a model of this kind."""
    return "encoder" if kind == "encoder" else "decoder"


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
        self._backbone = model.module.get_submodule(self._anatomy.backbone)
        self._stack = stack_of(model.info.stack_kind)
        tokenizer = model.tokenizer
        spare = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        self._padding = next(token for token in spare if token is not None)
        parameters = inspect.signature(self._backbone.forward).parameters
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

        def deliver(results: list[tuple[Metric, list[Values]]], lengths: list[int]) -> None:
            assert batch is not None
            tables.append(
                tabulate(
                    results,
                    model=self._model.info.model,
                    prompts=[(item.prompt.id, item.prompt.task) for item in batch.items],
                    lengths=lengths,
                )
            )

        observer = Observer(
            self._metrics, layout_of(self._stack, len(self._anatomy.blocks)), deliver
        )
        tap = Tap(
            self._model.module,
            self._anatomy,
            stack=self._stack,
            needs=needs_of(self._metrics),
            receiver=observer,
        )
        with tap, torch.inference_mode():
            for batch in shard.batches:
                self._forward(batch)
                advance(batch.tokens)
        return pa.concat_tables(tables)

    def _forward(self, batch: Batch) -> None:
        ids = torch.full((len(batch.items), batch.longest), self._padding)
        mask = torch.zeros_like(ids)
        for row, item in enumerate(batch.items):
            ids[row, : len(item.ids)] = torch.tensor(item.ids)
            mask[row, : len(item.ids)] = 1
        device = self._model.device
        try:
            self._backbone(
                input_ids=ids.to(device), attention_mask=mask.to(device), **self._options
            )
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
