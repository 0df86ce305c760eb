"""Let metrics watch a tap, and turn what they make of a batch into rows of measurements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool
from torch import Tensor

from cortexscope.metrics._metric import Known, Layout, Metric, Seen, Values
from cortexscope.metrics._states import State
from cortexscope.models import Anatomy
from cortexscope.records import Site, Stack
from cortexscope.store import MEASUREMENTS

__all__ = ["Lengths", "Observer", "PromptRow", "layout_of", "needs_of", "tabulate"]

_NOT_FINITE = "the model computed a number that is not finite"

Lengths = dict[Stack, list[int]]
"""Tokens of each prompt of a batch, by the stack that read them."""

PromptRow = tuple[str | None, str | None]
"""The id of a prompt and its task."""


def layout_of(anatomy: Anatomy, ran: Collection[Stack]) -> Layout:
    """Return the sites of the stacks that ran.

    Cross-attention belongs to a decoder that has an encoder; it is no stack with blocks of its own.
    """
    stacks = [stack for stack in anatomy.stacks if stack.name in ran]
    blocks = [
        tuple(Site(stack.name, layer) for layer in range(1, len(stack.blocks) + 1))
        for stack in stacks
    ]
    crossed = [
        tuple(Site("cross", site.layer) for site in sites)
        for stack, sites in zip(stacks, blocks, strict=True)
        if stack.has_cross_attention and len(anatomy.stacks) > 1
    ]
    sites = [
        (block, Site(stack.name, layer))
        for stack in stacks
        for layer, block in enumerate(stack.blocks, start=1)
    ]
    attending = {site for block, site in sites if block.attention}
    if crossed:
        attending |= {Site("cross", site.layer) for block, site in sites if block.cross_attention}
    return Layout(
        known=Known(
            attention=frozenset(attending),
            experts=frozenset(site for block, site in sites if block.experts),
        ),
        hidden=tuple((Site(sites[0].stack, 0), *sites) for sites in blocks),
        attention=(*blocks, *crossed),
        experts=tuple(blocks),
        final=tuple(Site(stack.name, None) for stack in stacks),
    )


def needs_of(metrics: Sequence[Metric]) -> frozenset[str]:
    """Return all that these metrics must see."""
    return frozenset(need for metric in metrics for need in metric.spec.needs)


class Observer:
    """Receives what a tap sees; hands each finished batch's values to `deliver`.

    Args:
        metrics: what to measure.
        anatomy: of the model.
        deliver: takes the values of each metric and the tokens of each prompt, stack by stack.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        anatomy: Anatomy,
        deliver: Callable[[list[tuple[Metric, list[Values]]], Lengths], None],
    ) -> None:
        self._metrics = metrics
        self._anatomy = anatomy
        self._deliver = deliver
        self.begin()

    def begin(self) -> None:
        """Start every metric anew for the prompts of this pass."""
        self._states: list[State] = [metric.start() for metric in self._metrics]
        self._shelf = _Shelf()
        self._lengths: Lengths = {}

    def stack(self, stack: Stack, tokens: Bool[Tensor, "prompt token"]) -> None:
        """Note how long the prompts are for a stack."""
        self._lengths[stack] = tokens.sum(-1).tolist()

    def see(self, site: Site, seen: Seen) -> None:
        """Show what is at a site to every metric."""
        for number, (metric, before) in enumerate(zip(self._metrics, self._states, strict=True)):
            state = metric.update(before, site, seen)
            sums = state.get(site)
            if sums is not None and sums is not before.get(site):
                kept = {name: self._shelf.keep(value) for name, value in sums.items()}
                state = {**state, site: kept}
            self._states[number] = state

    def end(self) -> None:
        """Finish every metric and hand over its values."""
        layout = layout_of(self._anatomy, self._lengths)
        results = [
            (metric, list(metric.compute(_on_one_device(state), layout)))
            for metric, state in zip(self._metrics, self._states, strict=True)
        ]
        lengths = self._lengths
        self.begin()
        self._deliver(results, lengths)


def _on_one_device(state: State) -> State:
    """Return the state as it is, or on the CPU where the layers of a model lie apart."""
    if len({value.device for sums in state.values() for value in sums.values()}) <= 1:
        return state
    return {
        site: {name: value.cpu() for name, value in sums.items()} for site, sums in state.items()
    }


class _Shelf:
    """Keeps small tensors side by side in large blocks until a forward pass is over.

    Thousands of small tensors, made between the large ones of the layers and outliving them, would
    split the memory that the large ones give back: at 1024 tokens the peak was 400 MB higher.
    """

    _BLOCK = 1 << 17

    def __init__(self) -> None:
        self._block: Tensor | None = None
        self._used = 0

    def keep(self, value: Tensor) -> Tensor:
        """Return a copy of a tensor that lies on the shelf."""
        size = value.numel()
        block = self._block
        if block is None or self._used + size > block.numel() or block.device != value.device:
            block = value.new_empty(max(self._BLOCK, size), dtype=torch.float64)
            self._block, self._used = block, 0
        place = block[self._used : self._used + size].view(value.shape)
        self._used += size
        return place.copy_(value)


def tabulate(
    results: Sequence[tuple[Metric, Sequence[Values]]],
    *,
    model: str,
    prompts: Sequence[PromptRow],
    lengths: Lengths,
) -> pa.Table:
    """Return the values of a batch in the columns of the contract, one value a row.

    Values that are not finite become null with a reason.

    Args:
        results: each metric with its values site by site.
        model: the label.
        prompts: id and task of each prompt, in the order of the batch.
        lengths: tokens of each prompt, by stack; cross-attention has the decoder's.
    """
    pieces = [
        _piece(metric, found, len(prompts), lengths) for metric, sites in results for found in sites
    ]
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    which = pa.array(columns["prompt"])
    value = columns["value"]
    null = ~np.isfinite(value)
    size = len(value)
    arrays = {
        "model": pa.repeat(model, size),
        "task": pa.array([task for _, task in prompts], pa.string()).take(which),
        "prompt_id": pa.array([name for name, _ in prompts], pa.string()).take(which),
        "n_tokens": pa.array(columns["n_tokens"], pa.int32()),
        "metric": pa.array(columns["metric"], pa.string()),
        "stack": pa.array(columns["stack"], pa.string()),
        "layer": pa.array(columns["layer"], pa.int16(), mask=columns["layer"] < 0),
        "head": pa.array(columns["head"], pa.int16(), mask=columns["head"] < 0),
        "index": pa.array(columns["index"], pa.int32(), mask=columns["index"] < 0),
        "value": pa.array(value, pa.float64(), mask=null),
        "reason": pa.array(columns["reason"], pa.string(), mask=~null),
    }
    return pa.table(arrays, schema=MEASUREMENTS)


def _piece(metric: Metric, found: Values, prompts: int, lengths: Lengths) -> dict[str, np.ndarray]:
    if found.values is None:
        values = np.full(prompts, np.nan)
    else:
        values = found.values.to(device="cpu", dtype=torch.float64).numpy()
    parts = values[0].size if values.ndim == 2 else 0
    numbers = np.tile(np.arange(parts), prompts) if parts else np.full(prompts, -1)
    none = np.full_like(numbers, -1)
    by_expert = "expert" in metric.spec.axes
    flat = values.reshape(-1)
    size = flat.size
    undefined = found.reason or _NOT_FINITE
    stack = found.site.stack
    return {
        "prompt": np.repeat(np.arange(prompts), parts or 1),
        "n_tokens": np.repeat(lengths["decoder" if stack == "cross" else stack], parts or 1),
        "head": none if by_expert else numbers,
        "index": numbers if by_expert else none,
        "value": flat,
        "metric": np.full(size, metric.spec.name, dtype=object),
        "stack": np.full(size, stack, dtype=object),
        "layer": np.full(size, -1 if found.site.layer is None else found.site.layer),
        "reason": np.where(np.isnan(flat), undefined, _NOT_FINITE).astype(object),
    }
