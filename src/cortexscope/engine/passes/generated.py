"""Let a model go on after the prompts of a batch, and measure every token that it then reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cortexscope.engine._batches import Batch
from cortexscope.engine._encode import Encoded
from cortexscope.engine._generation import Generation, choose, rng_of
from cortexscope.engine.passes._reader import Reader
from cortexscope.errors import ModelError
from cortexscope.measure.observer import Finished, Observer, needs_of
from cortexscope.measure.steps import StepPass, StepReceiver, tabulate_steps
from cortexscope.metrics.base.metric import Metric
from cortexscope.models import CachedPasses, Memory, ending_tokens, tokenizing
from cortexscope.records import Site
from cortexscope.store import GENERATIONS
from cortexscope.taps import NO_HEAD, Readout, ReadoutError, Unread

__all__ = ["Continuation"]

_UNKNOWN = {
    "text": "one token may be a part of a character, so that its bytes are not known",
    **dict.fromkeys(
        ("masked", "masked.word"),
        "a generated token is predicted from those before it, and never hidden",
    ),
}
"""Why something that is told of prompts is not told of generated tokens, by the need."""

_SWITCHES = (
    "it reads a whole text otherwise once that is long, and its states of what it has read cannot "
    "be made anew"
)

Run = Callable[..., Any]
"""Runs the model below its head."""


@dataclass(slots=True)
class _Text:
    """A prompt and what the model adds to it."""

    item: Encoded
    rng: np.random.Generator
    finish: str = "length"
    tokens: list[int] = field(default_factory=list)
    surprisal: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Tokens that the stack which goes on had in the prompt."""
        return _read(self.item)


class _Chosen(NamedTuple):
    """The tokens that come next, one a text."""

    tokens: list[int]
    surprisal: list[float]
    entropy: list[float]


class Continuation:
    """Generates after prompts with the memory of the pass that measured them.

    Each token is measured as the last one of the text so far, read in one pass.

    Args:
        reader: of the model.
        metrics: what to measure.
        generation: how far to go, and how to choose.
    """

    def __init__(self, reader: Reader, metrics: Sequence[Metric], generation: Generation) -> None:
        model, anatomy, lengths = reader.model, reader.anatomy, reader.switches.rule
        self._model = model
        self._metrics = metrics
        self._generation = generation
        self._lengths = lengths
        self._passes = CachedPasses(model.module, anatomy)
        self._readout = Readout(model.module, anatomy)
        self._stack = anatomy.stacks[-1].name
        self._endings = ending_tokens(model.module, model.tokenizer)
        self._mixes = self._passes.refusal is None and self._passes.mixes_lengths
        self.refusal = self._passes.refusal
        """Why the model cannot generate, None where it can."""
        if self.refusal is None and anatomy.unembedding is None:
            self.refusal = NO_HEAD
        if self.refusal is None and lengths.borders and not self._passes.rereads:
            self.refusal = _SWITCHES
        measured = [metric for metric in metrics if metric.spec.replication == "prompt"]
        self._unknown = [
            Unread(need, why) for need, why in _UNKNOWN.items() if need in needs_of(measured)
        ]
        self._observer = Observer(measured, anatomy, self._deliver, spares=True)
        self.receiver = StepReceiver(self._observer)
        """Takes what a tap sees while the model goes on."""
        self._finished: list[Finished] = []
        self._texts: list[_Text] = []

    def parts(self, batch: Batch) -> list[Batch]:
        """Return a batch in parts that can go on together, without padding where it must be."""
        if self._passes.one_by_one:
            return [Batch((item,)) for item in batch.items]
        groups: dict[object, list[Encoded]] = {}
        for item in batch.items:
            read = _read(item)
            alike = self._kinds(read) if self._mixes else read
            groups.setdefault(alike, []).append(item)
        return [Batch(tuple(items)) for items in groups.values()]

    def _kinds(self, read: int) -> tuple[object, ...]:
        """Return how a text is read now, and after each token that may be added."""
        return tuple(self._lengths.kind(read + n) for n in range(self._generation.tokens + 1))

    def first(self) -> dict[str, Any]:
        """Return what the pass over a prompt must be given, so that the model can go on."""
        return self._passes.first()

    def go_on(
        self,
        batch: Batch,
        inputs: Mapping[str, Tensor],
        output: Any,  # noqa: ANN401 - what the model returns
        run: Run,
    ) -> list[StepPass]:
        """Generate after the prompts of a batch; return what was measured, token by token.

        Args:
            batch: the prompts.
            inputs: what the model was given of them.
            output: what it returned.
            run: takes the inputs of a further pass.

        Raises:
            ModelError: if the model's head cannot be read.
        """
        # A batch before may have failed half way.
        self._finished.clear()
        self._observer.forget()
        every = [_Text(item, rng_of(self._generation, item.prompt.id)) for item in batch.items]
        texts = every
        pair = batch.items[0].target is not None
        mask = inputs["decoder_attention_mask" if pair else "attention_mask"]
        memory = self._passes.remember(
            output, mask=mask, encoder_mask=inputs["attention_mask"] if pair else None
        )
        last = mask.sum(-1) - 1
        passes: list[StepPass] = []
        for step in range(1, self._generation.tokens + 1):
            logits = self._logits(output, last)
            kept = self._choose(texts, logits, step)
            texts = [texts[row] for row in kept]
            if not texts:
                break
            if len(kept) < len(logits):
                memory.keep(kept)
            # Texts whose lengths differ are never read anew: none of them gets that long.
            if self._changes(texts[0].read + step):
                with self.receiver.deaf():
                    memory = self._passes.reread(memory, self._ids(texts), run)
            output = self._read(texts, step, memory, run)
            memory.take(output)
            last = torch.zeros(len(texts), dtype=torch.long, device=mask.device)
            passes.append(self._measured(texts, step))
        self._texts.extend(every)
        return passes

    def tabulated(self, passes: Sequence[StepPass]) -> Iterator[pa.Table]:
        """Yield what was measured of a batch, one value a row."""
        return tabulate_steps(passes, self._metrics, model=self._model.info.model)

    def _choose(self, texts: Sequence[_Text], logits: Tensor, step: int) -> list[int]:
        """Add a token to each text that has room for it; return the texts that go on."""
        context = self._model.info.context
        fits = [
            row for row, text in enumerate(texts) if context is None or text.read + step <= context
        ]
        for row in set(range(len(texts))) - set(fits):
            texts[row].finish = "context"
        if not fits:
            return []
        chosen = self._chosen(logits[fits], [texts[row].rng for row in fits])
        kept = []
        for row, token, surprisal, entropy in zip(fits, *chosen, strict=True):
            text = texts[row]
            text.tokens.append(token)
            text.surprisal.append(surprisal)
            text.entropy.append(entropy)
            if token in self._endings:
                text.finish = "end"
            else:
                kept.append(row)
        return kept

    def _chosen(
        self, logits: Float[Tensor, "prompt token"], rngs: Sequence[np.random.Generator]
    ) -> _Chosen:
        if self._generation.sample:
            tokens = [
                choose(row.double().cpu().numpy(), generation=self._generation, rng=rng)
                for row, rng in zip(logits, rngs, strict=True)
            ]
        else:
            tokens = logits.argmax(-1).tolist()
        log = logits.log_softmax(-1)
        places = torch.tensor(tokens, device=log.device)[:, None]
        surprisal = -log.gather(1, places)[:, 0]
        entropy = torch.special.entr(log.exp()).sum(-1, dtype=torch.float64)
        return _Chosen(tokens, surprisal.tolist(), entropy.tolist())

    def _changes(self, tokens: int) -> bool:
        """Return whether a text of so many tokens is read otherwise than without its last one."""
        return self._lengths.kind(tokens) != self._lengths.kind(tokens - 1)

    def _ids(self, texts: Sequence[_Text]) -> Int[Tensor, "prompt token"]:
        rows = [(*(text.item.target or text.item.ids), *text.tokens) for text in texts]
        return torch.tensor(rows, device=self._model.device)

    def _read(self, texts: Sequence[_Text], step: int, memory: Memory, run: Run) -> Any:  # noqa: ANN401
        """Let the model read the last token of each text, and measure it."""
        device = self._model.device
        before = torch.tensor([text.read + step - 1 for text in texts])
        surprisal = torch.tensor([text.surprisal[-1] for text in texts], dtype=torch.float64)
        self.receiver.expect(before, surprisal)
        for unread in self._unknown:
            self._observer.tell(Site.whole(self._stack), unread)
        tokens = torch.tensor([text.tokens[-1] for text in texts], device=device)
        return run(**memory.inputs(tokens))

    def _deliver(self, finished: Finished) -> None:
        self._finished.append(finished)

    def _measured(self, texts: Sequence[_Text], step: int) -> StepPass:
        (finished,) = self._finished
        self._finished.clear()
        lengths = [text.read + step for text in texts]
        prompts = [(text.item.prompt.id, text.item.prompt.task) for text in texts]
        so_far = dict.fromkeys(finished.lengths, lengths)
        return StepPass(step, list(prompts), so_far, finished.results, finished.failed)

    def _logits(self, output: Any, last: Tensor) -> Float[Tensor, "prompt token"]:  # noqa: ANN401
        """Return the logits after the last token of each text."""
        rows = torch.arange(len(last), device=last.device)
        whole = getattr(output, "logits", None)
        if whole is not None:
            logits: Tensor = whole[rows, last]
            return logits if logits.dtype == torch.float64 else logits.float()
        states = output[0]
        try:
            inputs = self._readout.inputs(states[rows.to(states.device), last.to(states.device)])
            return torch.cat([part for _, part in self._readout.scores(inputs)], 1)
        except ReadoutError as error:
            raise ModelError(
                f"{self._model.info.model} cannot generate: {error}; leave --generate out."
            ) from error

    def generations(self) -> pa.Table:
        """Return what was generated since this was last asked for, one prompt a row."""
        texts, self._texts = self._texts, []
        return pa.Table.from_pylist([self._row(text) for text in texts], schema=GENERATIONS)

    def _row(self, text: _Text) -> dict[str, Any]:
        tokenizer, prompt = self._model.tokenizer, text.item.prompt
        with tokenizing("Its tokenizer", f"what was generated after {prompt.id}"):
            said = tokenizer.decode(text.tokens, skip_special_tokens=True)
            tokens = [tokenizer.decode([token]) for token in text.tokens]
        return {
            "model": self._model.info.model,
            "task": prompt.task,
            "prompt_id": prompt.id,
            "text": said,
            "finish": text.finish,
            "token_ids": text.tokens,
            "tokens": tokens,
            "surprisal": [_finite(value) for value in text.surprisal],
            "entropy": [_finite(value) for value in text.entropy],
        }


def _read(item: Encoded) -> int:
    return len(item.ids if item.target is None else item.target)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
