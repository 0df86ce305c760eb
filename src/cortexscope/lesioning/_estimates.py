"""Estimate what every head or neuron is needed for, in one pass forward and one back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cortexscope.comparing import Head, ModelSide, following
from cortexscope.engine import Batch
from cortexscope.interventions import Place, Row
from cortexscope.lesioning._forward import stand_for
from cortexscope.records import Stack
from cortexscope.store import ESTIMATES
from cortexscope.taps import ReadoutError

__all__ = ["EstimatePass"]

_ONE = "it has one token, and none is predicted"
_NOT_FINITE = "the gradient is not finite"

_LOGITS = 1 << 21
"""Most logits that are held at once."""


class EstimatePass:
    """Estimates by how much surprisal would change without each unit, to first order.

    Where a unit gives x and the sum of a prompt's surprisal has the gradient g with respect to it,
    setting it to zero changes that sum by about -g·x, summed over tokens (attribution patching;
    Nanda 2023; Molchanov et al. 2019, arXiv 1906.10771, of neurons). It is exact where surprisal is
    a straight line in the unit, and nothing else changes with it.

    Blocks are computed a second time on the way back, so that no more than one block's inner states
    are held at once.

    Args:
        side: the model.
        kind: `heads` or `neurons`.
        rows: where they are, as `unit_rows` gives it.
    """

    def __init__(self, side: ModelSide, kind: str, rows: Sequence[tuple[Place, Row]]) -> None:
        self._side = side
        self._kind = kind
        self._rows = rows

    def read(self, batch: Batch) -> pa.Table:
        """Return a row a layer and prompt, in the columns of `ESTIMATES`.

        Raises:
            ModelError: if the model fails on it.
        """
        side, reader = self._side, self._side.reader
        counts = following(batch, decoder=reader.has_pair).where.sum(-1)
        reason, found = side.refusal, None
        if reason is None and int(counts.sum()):
            try:
                found = self._changes(batch)
            except ReadoutError as error:
                reason = str(error)
        only: Stack = reader.anatomy.stacks[0].name
        rows: list[dict[str, Any]] = []
        for place, row in self._rows:
            changes = None if found is None else found.get(row.path)
            for number, (item, count) in enumerate(zip(batch.items, counts.tolist(), strict=True)):
                why = reason or (None if count else _ONE)
                own = None
                if why is None and changes is not None:
                    own = changes[number] / count
                    if not bool(own.isfinite().all()):
                        own, why = None, _NOT_FINITE
                elif why is None:
                    why = "the model takes this matrix's weights without calling it"
                rows.append(
                    {
                        "model": reader.label,
                        "kind": self._kind,
                        "stack": place.stack or only,
                        "layer": place.layer,
                        "task": item.prompt.task,
                        "prompt_id": item.prompt.id,
                        "surprisal_change": None if own is None else own.tolist(),
                        "reason": why,
                    }
                )
        return pa.Table.from_pylist(rows, ESTIMATES)

    def _changes(self, batch: Batch) -> dict[str, Float[Tensor, "prompt unit"]]:
        """Return the estimated change of the sum of each prompt's surprisal, by matrix."""
        side, reader = self._side, self._side.reader
        module, anatomy = reader.model.module, reader.anatomy
        next_ones = following(batch, decoder=reader.has_pair)
        kept: list[Any] = []
        noted: dict[str, Tensor] = {}
        with ExitStack() as exits, torch.enable_grad():
            exits.enter_context(_computed_twice(module, [s.blocks for s in anatomy.stacks]))
            for _, row in self._rows:
                note = partial(_add, noted, row, len(batch.items))
                part = module.get_submodule(row.path)
                exits.callback(
                    part.register_forward_pre_hook(partial(_watch, note), with_kwargs=True).remove
                )
            backbone = module.get_submodule(anatomy.stacks[-1].backbone)
            exits.callback(
                backbone.register_forward_hook(lambda m, args, output: kept.append(output)).remove
            )
            side.read(batch)
            states = _last(kept[-1], next_ones.where.shape)[next_ones.where]
            gradient = surprisal_gradient(side.head, states.detach(), next_ones.tokens)
            torch.autograd.backward(states, gradient)
        return noted


def surprisal_gradient(
    head: Head, states: Float[Tensor, "row feature"], tokens: Tensor
) -> Float[Tensor, "row feature"]:
    """Return the gradient of -ln p(token), in nats, with respect to each state.

    Args:
        head: of the model.
        states: what it is given, [row, feature].
        tokens: the one that comes next, [row].

    Raises:
        ReadoutError: if the head cannot be applied.
    """
    with torch.no_grad():
        head.inputs(states[:1])
    step = max(1, min(head.rows, _LOGITS // head.vocabulary))
    pieces = []
    for at in range(0, len(tokens), step):
        own = states[at : at + step].requires_grad_()
        with torch.enable_grad():
            scores = torch.cat([x for _, x in head.scores(head.inputs(own))], -1)
            surprisal = nn.functional.cross_entropy(
                scores, tokens[at : at + step].to(scores.device), reduction="sum"
            )
        pieces.append(torch.autograd.grad(surprisal, own)[0])
    return torch.cat(pieces)


class _Noted(torch.autograd.Function):
    """Hands a tensor on as it is, and notes -g·x on the way back."""

    @staticmethod
    def forward(ctx: Any, entries: Tensor, note: Callable[[Tensor], None]) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(entries)
        ctx.note = note
        return entries.view_as(entries)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (entries,) = ctx.saved_tensors
        ctx.note(-gradient * entries)
        return gradient, None


def _watch(
    note: Callable[[Tensor], None],
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    entries, *rest = args
    noted: Tensor = _Noted.apply(entries, note)  # type: ignore[no-untyped-call]
    return (noted, *rest), kwargs


def _add(noted: dict[str, Tensor], row: Row, prompts: int, products: Tensor) -> None:
    by_token = products.reshape(prompts, -1, row.units, row.width).double()
    found = by_token.sum((1, 3)).cpu()
    noted[row.path] = noted[row.path] + found if row.path in noted else found


def _last(output: Any, shape: Sequence[int]) -> Tensor:  # noqa: ANN401 - what backbones give
    """Return the states after the last norm, [prompt, token, feature]."""
    states = getattr(output, "last_hidden_state", None)
    if states is None:
        states = output[0] if isinstance(output, tuple | list) else output
    assert isinstance(states, Tensor)
    return states if states.shape[:2] == tuple(shape) else states.transpose(0, 1)


@contextmanager
def _computed_twice(module: nn.Module, stacks: Sequence[Sequence[Any]]) -> Iterator[None]:
    """Have blocks keep what they were given alone, and compute the rest anew on the way back."""
    with ExitStack() as exits:
        for blocks in stacks:
            for number, block in enumerate(dict.fromkeys(blocks)):
                part = module.get_submodule(block.path)
                stand_for(part, _first if number == 0 else _again, exits)
        yield


def _first(forward: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    if args:
        return _again(forward, _begun(args[0]), *args[1:], **kwargs)
    return _again(forward, **{**kwargs, "hidden_states": _begun(kwargs["hidden_states"])})


def _again(forward: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)


def _begun(states: Tensor) -> Tensor:
    """Return states that a gradient reaches, and that a block may add to in place."""
    return states.detach().requires_grad_().clone()
