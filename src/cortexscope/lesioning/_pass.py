"""Read batches with one part of a model taken out after the other, beside the intact model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from cortexscope.comparing import Divergence, ModelSide, divergence, following
from cortexscope.engine import Batch
from cortexscope.engine.passes import text_of
from cortexscope.errors import ModelError
from cortexscope.interventions import Target
from cortexscope.lesioning._parts import Part
from cortexscope.lesioning._reuse import Blocks
from cortexscope.records import Prompt
from cortexscope.store import LESIONS
from cortexscope.taps import ReadoutError, Unread

__all__ = ["LesionPass", "bytes_of", "can_reuse"]

_ONE = "it has one token, and none is predicted"
_NOT_FINITE = "the numbers are not finite"
_NO_TEXT = "its tokens stand for no text"

_TOGETHER = 32
"""Parts whose last states are held at once, so that the intact model's logits serve them all."""

_ROWS = 1024
"""Most tokens, padding counted, that blocks are run on for several parts at once."""


class _Counted(NamedTuple):
    """A prompt, and over what its numbers are taken."""

    prompt: Prompt
    tokens: int
    """How many are predicted."""
    bytes: float
    """Of the text that they stand for."""
    no_bytes: str | None
    """Why that is none."""


class LesionPass:
    """Takes parts out of a loaded model one by one.

    Args:
        side: the model.
        blocks: of it.
        reuse: whether the states before a part are those of the intact pass, which `can_reuse`
            tells, and not computed again.
    """

    def __init__(self, side: ModelSide, blocks: Blocks, *, reuse: bool) -> None:
        self._side = side
        self._target = Target.of(side.reader.model)
        self._blocks = blocks
        self._reuse = reuse

    @torch.inference_mode()
    def read(self, batch: Batch, parts: Sequence[Part]) -> pa.Table:
        """Return a row a part and prompt, in the columns of `LESIONS`.

        Raises:
            ModelError: if the model fails on it.
        """
        side = self._side
        prompts = list(self._prompts(batch))
        if side.refusal is not None:
            rows = (self._rows(prompts, part, None, side.refusal) for part in parts)
            return pa.Table.from_pylist([row for own in rows for row in own], LESIONS)
        with self._blocks.kept():
            intact = side.read(batch)
        tokens = following(batch, decoder=side.reader.has_pair).tokens
        found: list[dict[str, Any]] = []
        for group in _groups(parts, _TOGETHER):
            states = intact.new_empty(1 + len(group), *intact.shape)
            states[0] = intact
            at = 1
            for without in self._without(batch, group):
                states[at : at + len(without)] = without
                at += len(without)
            reason, apart = None, None
            if len(tokens):
                try:
                    apart = divergence([(side.head, states)], tokens)
                except ReadoutError as error:
                    reason = str(error)
            for number, part in enumerate(group):
                own = None if apart is None else apart[number]
                found.extend(self._rows(prompts, part, own, reason))
        self._blocks.forget()
        return pa.Table.from_pylist(found, LESIONS)

    def _before(self, part: Part) -> int:
        """Return how many blocks run before the one that a part is of."""
        return self._blocks.before(part.stack, part.layer)

    def _without(self, batch: Batch, parts: Sequence[Part]) -> Iterator[Tensor]:
        """Yield what the head is given where parts are out, [part, row, feature]."""
        if not self._reuse:
            for part in parts:
                with part.change.applied(self._target):
                    yield self._side.read(batch)[None]
            return
        padded = len(batch.items) * (batch.longest + batch.longest_target)
        for group in _groups(parts, max(1, _ROWS // padded)):
            yield self._together(batch, group)

    def _together(self, batch: Batch, parts: Sequence[Part]) -> Tensor:
        """Return what the head is given where parts of one stack are out, each alone.

        Each part's own blocks are run by themselves, and all that follow for all parts at once.
        """
        blocks, side = self._blocks, self._side
        until = None if len(parts) == 1 else 1 + max(map(self._before, parts))
        outputs = []
        for part in parts:
            with (
                part.change.applied(self._target),
                blocks.given_again(self._before(part), until) as last,
            ):
                states = side.read(batch)
            outputs.extend(last)
        if until is not None:
            with blocks.given(until, outputs):
                states = side.read(Batch(batch.items * len(parts)))
        found: Tensor = states.unflatten(0, (len(parts), -1))
        return found

    def _prompts(self, batch: Batch) -> Iterator[_Counted]:
        where = following(batch, decoder=self._side.reader.has_pair).where
        sizes = bytes_of(batch, self._side)
        for item, count, size in zip(batch.items, where.sum(-1).tolist(), sizes, strict=True):
            yield _Counted(item.prompt, count, *size)

    def _rows(
        self, prompts: Sequence[_Counted], part: Part, apart: Divergence | None, reason: str | None
    ) -> Iterator[dict[str, Any]]:
        at = 0
        for prompt, count, size, no_bytes in prompts:
            own = None if apart is None else [column[at : at + count] for column in apart[:3]]
            at += count
            why = reason or (None if count else _ONE)
            if why is None and own is not None:
                why = None if all(bool(x.isfinite().all()) for x in own) else _NOT_FINITE
            row: dict[str, Any] = {
                "model": self._side.reader.label,
                "kind": part.kind,
                "stack": part.stack,
                "layer": part.layer,
                "index": part.index,
                "task": prompt.task,
                "prompt_id": prompt.id,
                "reason": why,
                "bits_reason": why or no_bytes,
            }
            if why is None and own is not None:
                kl, base, other = (float(x.sum()) for x in own)
                row |= {
                    "kl": kl / count,
                    "surprisal_base": -base / count,
                    "surprisal": -other / count,
                }
                if size:
                    unit = -math.log(2) * size
                    row |= {"bits_per_byte_base": base / unit, "bits_per_byte": other / unit}
            yield row


def _groups(parts: Sequence[Part], size: int) -> Iterator[Sequence[Part]]:
    """Yield parts of one kind and stack, so many at once.

    So what is computed of a part does not hang on which other kinds are asked for, or done already.
    """
    for _, own in groupby(parts, key=lambda part: (part.kind, part.stack)):
        alike = list(own)
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def bytes_of(batch: Batch, side: ModelSide) -> list[tuple[float, str | None]]:
    """Return how many bytes of text are predicted of each prompt, 0 with the reason for none."""
    sizes = text_of(batch, side.reader.model.tokenizer, decoder=side.reader.has_pair)
    if isinstance(sizes, Unread):
        return [(0.0, sizes.reason)] * len(batch.items)
    return [(float(size), None if size else _NO_TEXT) for size in sizes.sizes]


@torch.inference_mode()
def can_reuse(side: ModelSide, blocks: Blocks, batch: Batch) -> bool:
    """Return whether a pass is the same wherever it begins.

    It is bit for bit on the same prompts, and but for rounding where it goes on for as many prompts
    again. In some models blocks read what others left elsewhere, such as their keys and values.

    Args:
        side: the model.
        blocks: of it.
        batch: a short one, which is read twice for each block.
    """
    with blocks.kept():
        intact = side.read(batch)
    if not intact.numel():
        return False
    twice = Batch(batch.items * 2)
    # Rounding of the model's precision, many times over.
    near = intact.abs().max() * torch.finfo(getattr(torch, side.reader.model.info.dtype)).eps ** 0.5
    try:
        for steps in blocks.steps:
            with blocks.given_again(steps):
                if not torch.equal(side.read(batch), intact):
                    return False
            with blocks.given(steps, [blocks.gave(steps - 1)] * 2):
                apart = side.read(twice).unflatten(0, (2, -1)) - intact
                if not bool(apart.abs().max() <= near):
                    return False
    except ModelError:
        return False
    finally:
        blocks.forget()
    return True
