"""Read the prompts of a shard, and go on after them where it is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import torch

from cortexscope.engine._batches import Batch, Shard
from cortexscope.engine._job import Finished, Setup, Steps
from cortexscope.engine._stopping import stops
from cortexscope.engine.passes._ahead import Ahead
from cortexscope.engine.passes._reader import Reader
from cortexscope.engine.passes.generated import Continuation
from cortexscope.measure import observer
from cortexscope.measure.finite import are_finite
from cortexscope.measure.memory import give_back, ran_out
from cortexscope.measure.observer import Observer, needs_of
from cortexscope.measure.steps import Relay, StepPass
from cortexscope.measure.tabulate import PromptRow, tabulate
from cortexscope.measure.tasks import pools_of
from cortexscope.metrics import MetricOptions
from cortexscope.metrics.base.metric import Metric
from cortexscope.metrics.base.pooled import MeanNeurons, MeanStates, OverPrompts
from cortexscope.metrics.base.states import State, concatenate
from cortexscope.records import Halving
from cortexscope.store import Vectors

__all__ = ["Prompts"]


class Prompts:
    """Measures metrics of prompts and of tasks, a value a prompt or what a task's is made of.

    Args:
        reader: of the model.
        metrics: what to measure; those of other units are left out.
        setup: how.
        ahead: what is found out about a batch before it is measured.
    """

    def __init__(
        self, reader: Reader, metrics: Sequence[Metric], setup: Setup, ahead: Sequence[type[Ahead]]
    ) -> None:
        self._reader = reader
        own = [metric for metric in metrics if metric.spec.replication in ("prompt", "task")]
        kept: list[OverPrompts] = []
        if setup.keep_states:
            kept.append(MeanStates(MetricOptions()))
        if setup.keep_neurons:
            kept.append(MeanNeurons(MetricOptions()))
        self._watching = [*own, *kept]
        self._pools = pools_of(self._watching)
        self._needs = needs_of(self._watching)
        self._sample = setup.sample_tokens
        self._ahead = [kind(reader) for kind in ahead if kind.need in self._needs]
        self._delivered: list[observer.Finished] = []
        # One for all batches, since it learns from the first what is needed of the others.
        self._observer = Observer(
            self._watching, reader.anatomy, self._delivered.append, spares=True
        )
        self._continuation: Continuation | None = None
        self.refusal: str | None = None
        """Why the model does not generate though it was asked to, None where it does."""
        if setup.generate is not None:
            continuation = Continuation(reader, metrics, setup.generate)
            self.refusal = continuation.refusal
            self._continuation = None if self.refusal else continuation

    def measure(self, shard: Shard, advance: Callable[[int], None]) -> Iterator[Steps | Finished]:
        """Yield what was measured of generated tokens as it comes, then of the shard.

        Where the program is to stop, the shard ends with the batch under way.

        Args:
            shard: what to read.
            advance: told the number of tokens after each batch.

        Raises:
            ModelError: if the model fails on a batch, or memory does not hold one prompt; the
                prompt ids are named.
        """
        # Tables of a batch are made while the model reads the next one.
        with ThreadPoolExecutor(1) as beside:
            yield from self._measure(shard, advance, beside)

    def _measure(
        self, shard: Shard, advance: Callable[[int], None], beside: Executor
    ) -> Iterator[Steps | Finished]:
        label = self._reader.label
        tables: list[Future[pa.Table]] = []
        pooled: dict[str, State] = {}
        rows: list[PromptRow] = []
        unfinished: list[Batch] = []
        halved: list[Halving] = []
        failed: dict[str, str] = {}
        lost: set[str] = set()
        waiting = deque(self._parts(shard))
        while waiting:
            batch = waiting.popleft()
            read = self._read_if_it_fits(batch)
            if read is None:
                give_back()
                waiting.extendleft(reversed(batch.halves()))
                halved.append(_halving(shard, batch))
                continue
            finite, found, passes = read
            prompts = [(item.prompt.id, item.prompt.task) for item in batch.items]
            tables.append(
                beside.submit(
                    tabulate, found.results, model=label, prompts=prompts, lengths=found.lengths
                )
            )
            for name, state in found.pooled.items():
                pooled[name] = concatenate(pooled.get(name, {}), state)
            lost |= self._pools - found.pooled.keys()
            for metrics in (found.failed, *(one.failed for one in passes)):
                failed |= {name: why for name, why in metrics.items() if name not in failed}
            rows.extend(prompts)
            unfinished += [] if finite else [batch]
            if self._continuation is not None:
                for table in self._continuation.tabulated(passes):
                    yield Steps(label, shard.number, table)
            advance(batch.tokens)
            if stops():
                break
        yield Finished(
            label,
            shard.number,
            pa.concat_tables([table.result() for table in tables]),
            Vectors(_without(pooled, lost), rows) if self._pools else None,
            self._continuation.generations() if self._continuation else None,
            self._not_finite(unfinished) if unfinished else None,
            tuple(halved),
            failed,
        )

    def _parts(self, shard: Shard) -> list[Batch]:
        """Return the batches of a shard, in parts where all of one could not go on together."""
        if self._continuation is None:
            return list(shard.batches)
        return [part for batch in shard.batches for part in self._continuation.parts(batch)]

    def _read_if_it_fits(
        self, batch: Batch
    ) -> tuple[bool, observer.Finished, list[StepPass]] | None:
        """Return the same as `_read`, or None where memory does not hold a batch of several.

        The error, and with it all that its frames hold, is gone when this returns.
        """
        try:
            return self._read(batch)
        except Exception as error:
            if not ran_out(error):
                raise
            if len(batch.items) == 1:
                raise self._reader.failure(batch, error) from error
            return None

    @torch.inference_mode()
    def _read(self, batch: Batch) -> tuple[bool, observer.Finished, list[StepPass]]:
        """Let the model read a batch, and go on after it where it was asked to.

        Returns:
            Whether the state after the last norm is finite, what was measured of the prompts, and
            of the generated tokens.
        """
        reader, continuation = self._reader, self._continuation
        # Passes of their own are not to be measured, so they come before.
        told = [ahead.read(batch) for ahead in self._ahead]
        watching = self._observer
        # Of a batch that failed, as for want of memory.
        watching.forget()
        self._delivered.clear()
        relay = Relay(watching)
        passes: list[StepPass] = []
        with reader.tap(self._needs, relay, sample=self._sample):
            for seen in told:
                watching.tell(reader.last, seen)
            inputs = reader.inputs(batch)
            first = {} if continuation is None else continuation.first()
            output = reader.run(batch, **inputs, **first)
            finite = are_finite(output[0], reader.tokens(inputs)[reader.last.stack])
            if continuation is not None:
                relay.now = continuation.receiver
                passes = continuation.go_on(batch, inputs, output, partial(reader.run, batch))
        found = self._delivered.pop()
        return finite, found, passes

    @torch.inference_mode()
    def _not_finite(self, batches: Sequence[Batch]) -> str:
        return self._reader.not_finite(batches)


def _without(pools: Mapping[str, State], lost: set[str]) -> dict[str, State]:
    """Return the pools that every batch has filled."""
    return {name: state for name, state in pools.items() if name not in lost}


def _halving(shard: Shard, batch: Batch) -> Halving:
    first, last = batch.items[0].prompt.id, batch.items[-1].prompt.id
    return Halving(
        shard=shard.number,
        first=first,
        last=last,
        prompts=len(batch.items),
        tokens=batch.longest,
    )
