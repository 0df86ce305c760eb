"""Let two models read the same batches in lockstep, and tabulate how far they lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from cortexscope.comparing._divergence import Divergence, divergence
from cortexscope.comparing._drift import Drift, drift
from cortexscope.comparing._sides import Layer, ModelSide, Side, following
from cortexscope.engine import Batch
from cortexscope.engine.passes import text_of
from cortexscope.records import Prompt, Site
from cortexscope.store import DRIFTS, PAIRS
from cortexscope.taps import ReadoutError, Unread

__all__ = ["Names", "PairPass", "unread_row"]

_ONE = "it has one token, and none is predicted"
_NOT_FINITE = "the numbers are not finite"
_NO_TEXT = "its tokens stand for no text"
_ONE_TOKEN = "it has one token, and none after the first"
_ZERO = "a state of the base is zero, or numbers are not finite"


class Names(NamedTuple):
    """Which two models are compared."""

    base: str
    model: str
    noise: bool = False
    """Whether the model is the base itself in bfloat16."""


class PairPass:
    """Reads batches with both models.

    Args:
        names: of the two.
        base: what the other is compared with.
        other: the other one.
        apart: why states are not compared, None where they are.
    """

    def __init__(self, names: Names, base: Side, other: ModelSide, *, apart: str | None) -> None:
        self._names = names
        self._base = base
        self._other = other
        self._apart = apart
        self._refusal = base.refusal or other.refusal

    @torch.inference_mode()
    def read(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        """Return the rows of a batch's prompts, in the columns of `PAIRS` and of `DRIFTS`.

        Raises:
            ModelError: if a model fails on it.
        """
        kept: dict[Site, Layer] = {}
        found: dict[Site, Drift] = {}

        def keep(site: Site, layer: Layer) -> None:
            if self._apart is None:
                # A model may go on computing in place.
                kept[site] = Layer(layer.states.clone(), layer.positions)

        def compare(site: Site, layer: Layer) -> None:
            if site in kept:
                found[site] = drift(kept.pop(site).states, layer.states, layer.positions)

        states = self._base.read(batch, keep), self._other.read(batch, compare)
        predictions = self._predictions(batch, states)
        return (
            pa.Table.from_pylist(list(predictions), PAIRS),
            pa.Table.from_pylist(list(self._drifts(batch, found)), DRIFTS),
        )

    def _predictions(self, batch: Batch, states: tuple[Tensor, Tensor]) -> Iterator[dict[str, Any]]:
        decoder = self._other.reader.has_pair
        next_ones = following(batch, decoder=decoder)
        reason, apart = self._refusal, None
        if reason is None and len(next_ones.tokens):
            try:
                heads = [(self._base.head, states[0][None]), (self._other.head, states[1][None])]
                (apart,) = divergence(heads, next_ones.tokens)
            except ReadoutError as error:
                reason = str(error)
        counts = next_ones.where.sum(-1).tolist()
        sizes = text_of(batch, self._other.reader.model.tokenizer, decoder=decoder)
        at = 0
        for number, (item, count) in enumerate(zip(batch.items, counts, strict=True)):
            own = None if apart is None else _part(apart, slice(at, at + count))
            at += count
            why = reason or (None if count else _ONE)
            if own is not None and not all(bool(column.isfinite().all()) for column in own):
                own, why = None, _NOT_FINITE
            row = unread_row(self._names, item.prompt, why, None, self._apart)
            if own is None or why is not None:
                yield {**row, "bits_reason": why}
                continue
            row |= {name: column.tolist() for name, column in own._asdict().items()}
            bytes_ = 0.0 if isinstance(sizes, Unread) else float(sizes.sizes[number])
            if not bytes_:
                said = sizes.reason if isinstance(sizes, Unread) else _NO_TEXT
                yield {**row, "bits_reason": said}
                continue
            unit = -math.log(2) * bytes_
            yield row | {
                "bits_per_byte_base": float(own.log_p_base.sum()) / unit,
                "bits_per_byte": float(own.log_p.sum()) / unit,
            }

    def _drifts(self, batch: Batch, found: Mapping[Site, Drift]) -> Iterator[dict[str, Any]]:
        for site, own in found.items():
            columns = [column.tolist() for column in own]
            for item, *values in zip(batch.items, *columns, strict=True):
                known = [value if math.isfinite(value) else None for value in values]
                one = len(item.ids) == 1 or known[0] is not None
                yield {
                    **_place(self._names, item.prompt),
                    "stack": site.stack,
                    "layer": site.layer,
                    **dict(zip(Drift._fields, known, strict=True)),
                    "reason": None if None not in known else _ONE_TOKEN if one else _ZERO,
                }


def _part(whole: Divergence, rows: slice) -> Divergence:
    return Divergence(*(column[rows] for column in whole))


def _place(names: Names, prompt: Prompt) -> dict[str, Any]:
    return {**names._asdict(), "task": prompt.task, "prompt_id": prompt.id}


def unread_row(
    names: Names,
    prompt: Prompt,
    reason: str | None,
    bits: tuple[float | None, float | None, str | None] | None,
    apart: str | None,
) -> dict[str, Any]:
    """Return a row of `PAIRS` without predictions.

    Args:
        names: of the two models.
        prompt: which one.
        reason: why there are none.
        bits: bits per byte of the base and of the other, and why one is not known.
        apart: why states are not compared.
    """
    base, other, why = bits or (None, None, None)
    lists = dict.fromkeys(("kl", "log_p_base", "log_p", "same_top"))
    return {
        **_place(names, prompt),
        **lists,
        "reason": reason,
        "bits_per_byte_base": base,
        "bits_per_byte": other,
        "bits_reason": why,
        "drift_reason": apart,
    }
