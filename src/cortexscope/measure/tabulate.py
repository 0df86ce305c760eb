"""Turn the values of metrics into rows of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from cortexscope.measure.observer import Lengths, Result
from cortexscope.metrics.base.metric import Metric, Values
from cortexscope.store import MEASUREMENTS

__all__ = ["PromptRow", "tabulate"]

_NOT_FINITE = "the model computed a number that is not finite"

PromptRow = tuple[str | None, str | None]
"""The id of a prompt and its task."""


def tabulate(
    results: Sequence[Result],
    *,
    model: str,
    prompts: Sequence[PromptRow],
    lengths: Lengths | None,
    step: int | None = None,
) -> pa.Table:
    """Return values in the columns of the contract, one value a row.

    Values that are not finite become null with a reason.

    Args:
        results: each metric with its values.
        model: the label.
        prompts: id and task of each prompt, in the order of the values.
        lengths: tokens of each prompt, by stack; cross-attention has the decoder's. None where
            values are not of single prompts.
        step: number of the generated token that the values are of, None for those of prompts.
    """
    texts = _Texts()
    pieces = [
        _piece(metric, found, len(prompts), lengths, texts)
        for metric, values in results
        for found in values
    ]
    if not pieces:
        return MEASUREMENTS.empty_table()
    sizes = [len(piece["value"]) for piece in pieces]
    columns = {
        name: np.concatenate([piece[name] for piece in pieces])
        if isinstance(pieces[0][name], np.ndarray)
        else np.repeat([piece[name] for piece in pieces], sizes)
        for name in pieces[0]
    }
    words = texts.array()
    which = pa.array(columns["prompt"])
    value = columns["value"]
    null = ~np.isfinite(value)
    arrays = {
        "model": pa.repeat(model, len(value)),
        "task": pa.array([task for _, task in prompts], pa.string()).take(which),
        "prompt_id": pa.array([name for name, _ in prompts], pa.string()).take(which),
        "metric": words.take(pa.array(columns["metric"])),
        "stack": words.take(pa.array(columns["stack"])),
        "value": pa.array(value, pa.float64(), mask=null),
        "reason": words.take(pa.array(columns["reason"], mask=~null)),
        "step": pa.repeat(pa.scalar(step, pa.int32()), len(value)),
    }
    # What stands behind a value that is none says nothing.
    columns["tokens_used"][null] = -1
    for name, kind in (
        ("n_tokens", pa.int32()),
        ("layer", pa.int16()),
        ("head", pa.int16()),
        ("index", pa.int32()),
        ("tokens_used", pa.int32()),
    ):
        arrays[name] = pa.array(columns[name], kind, mask=columns[name] < 0)
    return pa.table({name: arrays[name] for name in MEASUREMENTS.names}, schema=MEASUREMENTS)


class _Texts:
    """Strings by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def array(self) -> pa.Array:
        return pa.array(list(self._numbers), pa.string())


def _piece(
    metric: Metric, found: Values, prompts: int, lengths: Lengths | None, texts: _Texts
) -> dict[str, Any]:
    """Return a number a value for each column, or one for all where they must be the same."""
    sites = len(found.sites)
    if found.values is None:
        values = np.full((sites, prompts), np.nan)
    else:
        values = found.values.to(device="cpu", dtype=torch.float64).numpy()
    spec = metric.spec
    shape: tuple[int, ...] = values.shape
    none = np.full(values.size, -1, np.int32)

    def along(axis: int, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return a number for each value, by its place along one axis."""
        form = [1] * len(shape)
        form[axis] = -1
        row = np.asarray(numbers, dtype=np.int32).reshape(form)
        return np.broadcast_to(row, shape).reshape(-1)

    head, index = none, none
    if values.ndim > 2 and "head" in spec.axes:
        head = along(2, np.arange(shape[2]))
    if values.ndim > 2 and spec.index is not None:
        last = values.ndim - 1
        index = along(last, np.arange(shape[last]) if found.index is None else found.index)
    stack = found.sites[0].stack
    tokens = none
    if lengths is not None:
        tokens = along(1, lengths["decoder" if stack == "cross" else stack])
    used = none
    if found.tokens is not None:
        whole = found.tokens.to(device="cpu", dtype=torch.int32).numpy()
        whole = whole.reshape(*whole.shape, *(1,) * (values.ndim - whole.ndim))
        used = np.broadcast_to(whole, shape).reshape(-1)
    flat = values.reshape(-1)
    other = texts.number(_NOT_FINITE)
    undefined = other if found.reason is None else texts.number(found.reason)
    reasons = np.where(np.isnan(flat), np.int32(undefined), np.int32(other))
    for (site, part), why in found.removed.items():
        place = along(0, np.arange(sites)) == found.sites.index(site)
        reasons[place & ((head if "head" in spec.axes else index) == part)] = texts.number(why)
    return {
        "prompt": along(1, np.arange(shape[1])),
        "n_tokens": tokens,
        "head": head,
        "index": index,
        "tokens_used": used,
        "value": flat,
        "metric": texts.number(spec.name),
        "stack": texts.number(stack),
        "layer": along(0, [-1 if site.layer is None else site.layer for site in found.sites]),
        "reason": reasons,
    }
