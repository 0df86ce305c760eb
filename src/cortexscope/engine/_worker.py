"""Measure shards of a plan with one loaded model: the part that any backend runs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from cortexscope.engine._batches import Batch, Shard
from cortexscope.engine._generate import Continuation
from cortexscope.engine._generation import Generation
from cortexscope.engine._sequences import repeated_tokens
from cortexscope.engine._told import MaskedPasses, text_of
from cortexscope.errors import CortexscopeError, ModelError
from cortexscope.measure.finite import are_finite, first_not_finite, not_finite
from cortexscope.measure.observer import Finished, Observer, needs_of
from cortexscope.measure.steps import Relay
from cortexscope.measure.tabulate import PromptRow, tabulate
from cortexscope.metrics import MetricOptions
from cortexscope.metrics._metric import Metric, Values
from cortexscope.metrics._pooled import MeanNeurons, MeanStates, OverPrompts
from cortexscope.metrics._states import State, concatenate
from cortexscope.models import Model, find_anatomy, find_switches
from cortexscope.records import Site, Stack
from cortexscope.store import Vectors
from cortexscope.taps import Receiver, Seen, Tap, Unread

__all__ = ["Measured", "Worker"]


class Measured(NamedTuple):
    """What was measured of a shard."""

    table: pa.Table
    """In the columns of the contract."""
    vectors: Vectors | None
    """What is kept of its prompts for values of whole tasks, None where nothing is."""
    generations: pa.Table | None = None
    """What the model added to its prompts, None where it was not asked to or cannot."""
    not_finite: str | None = None
    """Where numbers were not finite for the first time, and which prompts those were."""


class Worker:
    """A model with its metrics, ready to measure.

    Args:
        model: loaded.
        metrics: what to measure.
        sample: how many tokens of a prompt stand for it where a metric is costly; all where None.
        keep_states: keep each prompt's mean state of each layer, whatever is measured.
        keep_neurons: keep each prompt's mean activation of each MLP's neurons too.
        generate: let the model go on after each prompt; None for prompts alone.
    """

    def __init__(
        self,
        model: Model,
        metrics: Sequence[Metric],
        *,
        sample: int | None = None,
        keep_states: bool = False,
        keep_neurons: bool = False,
        generate: Generation | None = None,
    ) -> None:
        self._model = model
        self._metrics = metrics
        self._sample = sample
        self._kept: list[OverPrompts] = []
        if keep_states:
            self._kept.append(MeanStates(MetricOptions()))
        if keep_neurons:
            self._kept.append(MeanNeurons(MetricOptions()))
        self._anatomy = find_anatomy(model.module)
        self._switches = find_switches(model.module)
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
        self._continuation: Continuation | None = None
        self.refusal: str | None = None
        """Why the model does not generate though it was asked to, None where it does."""
        if generate is not None:
            continuation = Continuation(
                model, self._anatomy, metrics, generate, lengths=self._switches.rule
            )
            self.refusal = continuation.refusal
            self._continuation = None if self.refusal else continuation

    @property
    def generates(self) -> bool:
        """Whether the model goes on after its prompts."""
        return self._continuation is not None

    def measure(
        self,
        shard: Shard,
        advance: Callable[[int], None],
        take: Callable[[pa.Table], None] = lambda table: None,
    ) -> Measured:
        """Return what was measured of a shard.

        Args:
            shard: what to read.
            advance: told the number of tokens after each batch.
            take: takes what was measured of generated tokens, table by table.

        Raises:
            ModelError: if the model fails on a batch; the prompt ids are named.
        """
        metrics = [m for m in self._metrics if m.spec.replication != "sequence"]
        tables: list[pa.Table] = []
        pooled: dict[str, State] = {}
        rows: list[PromptRow] = []
        unfinished: list[Batch] = []
        batches = self._parts(shard)
        batch: Batch | None = None

        def deliver(finished: Finished) -> None:
            assert batch is not None
            prompts = [(item.prompt.id, item.prompt.task) for item in batch.items]
            tables.append(
                tabulate(
                    finished.results,
                    model=self._model.info.model,
                    prompts=prompts,
                    lengths=finished.lengths,
                )
            )
            for name, state in finished.pooled.items():
                pooled[name] = concatenate(pooled.get(name, {}), state)
            rows.extend(prompts)

        watching = [*metrics, *self._kept]
        needs = needs_of(watching)
        # Passes of their own are not to be measured, so they come before.
        with torch.inference_mode():
            known = self._known(batches, needs)
        observer = Observer(watching, self._anatomy, deliver)
        relay = Relay(observer)
        with self._tap(needs, relay, sample=self._sample), torch.inference_mode():
            for batch, told in zip(batches, known, strict=True):
                for seen in told:
                    observer.tell(Site(self._anatomy.stacks[-1].name, None), seen)
                finite = self._forward(batch, relay, take)
                unfinished += [] if finite else [batch]
                relay.now = observer
                advance(batch.tokens)
        return Measured(
            pa.concat_tables(tables),
            Vectors(pooled, rows) if pooled else None,
            self._continuation.generations() if self._continuation else None,
            self._not_finite(unfinished) if unfinished else None,
        )

    def _parts(self, shard: Shard) -> list[Batch]:
        """Return the batches of a shard, in parts where all of one could not go on together."""
        if self._continuation is None:
            return list(shard.batches)
        return [part for batch in shard.batches for part in self._continuation.parts(batch)]

    def measure_sequences(self) -> pa.Table:
        """Return the values of metrics that are measured on generated sequences.

        Each is the mean over the sequences.
        """
        metrics = [m for m in self._metrics if m.spec.replication == "sequence"]
        tables: list[pa.Table] = []

        def deliver(finished: Finished) -> None:
            results = [
                (metric, [_over_prompts(found) for found in values])
                for metric, values in finished.results
            ]
            label = self._model.info.model
            tables.append(tabulate(results, model=label, prompts=[(None, None)], lengths=None))

        tokenizer, info = self._model.tokenizer, self._model.info
        starts = (tokenizer.bos_token_id, tokenizer.cls_token_id)
        start = next((token for token in starts if token is not None), None)
        ids = repeated_tokens(
            tokenizer, vocabulary=info.vocabulary, context=info.context, start=start
        ).to(self._model.device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if len(self._anatomy.stacks) > 1:
            inputs |= {f"decoder_{name}": value for name, value in inputs.items()}
        observer = Observer(metrics, self._anatomy, deliver)
        self._switches.reset()
        with self._tap(needs_of(metrics), observer, sample=None), torch.inference_mode():
            self._scope(**inputs, **self._options)
        return pa.concat_tables(tables)

    def _tap(self, needs: frozenset[str], receiver: Receiver, *, sample: int | None) -> Tap:
        return Tap(self._model.module, self._anatomy, needs=needs, receiver=receiver, sample=sample)

    def _known(self, batches: Sequence[Batch], needs: frozenset[str]) -> list[list[Seen | Unread]]:
        """Return what can be known of each batch before it is measured."""
        known: list[list[Seen | Unread]] = [[] for _ in batches]
        if "text" in needs:
            decoder = len(self._anatomy.stacks) > 1
            for batch, seen in zip(batches, known, strict=True):
                seen.append(text_of(batch, self._model.tokenizer, decoder=decoder))
        for need in ("masked", "masked.word"):
            if need not in needs:
                continue
            passes = MaskedPasses(self._model, self._anatomy, need)
            for batch, seen in zip(batches, known, strict=True):
                ids, mask = self._padded("", [item.ids for item in batch.items]).values()
                seen.append(passes.read(batch, ids, mask, partial(self._run, batch)))
        return known

    def _forward(self, batch: Batch, relay: Relay, take: Callable[[pa.Table], None]) -> bool:
        """Let the model read a batch, and go on after it where it was asked to.

        Returns:
            Whether the state after the last norm is finite.
        """
        inputs = self._inputs(batch)
        first = {} if self._continuation is None else self._continuation.first()
        output = self._run(batch, **inputs, **first)
        finite = are_finite(output[0], self._tokens(inputs)[self._anatomy.stacks[-1].name])
        if self._continuation is None:
            return finite
        relay.now = self._continuation.receiver
        for table in self._continuation.go_on(batch, inputs, output, partial(self._run, batch)):
            take(table)
        return finite

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        inputs = self._padded("", [item.ids for item in batch.items])
        if len(self._anatomy.stacks) > 1:
            targets = [item.target for item in batch.items if item.target is not None]
            inputs |= self._padded("decoder_", targets)
        return inputs

    def _tokens(self, inputs: Mapping[str, Tensor]) -> dict[Stack, Tensor]:
        """Return by stack which positions hold tokens."""
        names = ("attention_mask", "decoder_attention_mask")[: len(self._anatomy.stacks)]
        stacks = [stack.name for stack in self._anatomy.stacks]
        return dict(zip(stacks, (inputs[name] for name in names), strict=True))

    def _not_finite(self, batches: Sequence[Batch]) -> str:
        """Return where numbers stop being finite in the first of some batches."""
        batch = batches[0]
        inputs = self._inputs(batch)
        module, anatomy = self._model.module, self._anatomy
        site = first_not_finite(
            module, anatomy, self._tokens(inputs), lambda: self._run(batch, **inputs)
        )
        # Of the last norm, should a second pass be finite after all.
        site = site or Site(anatomy.stacks[-1].name, None)
        dtype = getattr(torch, self._model.info.dtype)
        prompts = [item.prompt.id for batch in batches for item in batch.items]
        among = f"among the prompts {prompts[0]} to {prompts[-1]}" if prompts[1:] else prompts[0]
        return f"{not_finite(module, anatomy, site, dtype).rstrip('.')} ({among})"

    def _run(self, batch: Batch, **inputs: Any) -> Any:  # noqa: ANN401 - what the model returns
        # What a pass gives must not depend on those before it.
        self._switches.reset()
        try:
            return self._scope(**{**self._options, **inputs})
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


def _over_prompts(found: Values) -> Values:
    """Return the mean over the prompts of a batch, as if of one prompt."""
    if found.values is None:
        return found
    tokens = None if found.tokens is None else found.tokens.sum(1, keepdim=True)
    return replace(found, values=found.values.mean(1, keepdim=True), tokens=tokens)
