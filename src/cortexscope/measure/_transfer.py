"""Bring what was measured of a batch from its device, all of it in one go.

Sums stay on the device of their layer while the model runs. A transfer waits for the device, so
that one a metric, or one a layer, would take longer than the numbers do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cortexscope.metrics.base.metric import Metric, Values
from cortexscope.metrics.base.states import Blocks, State, mapped

__all__ = ["at_home", "copied", "on_one_device"]


def at_home(results: Sequence[tuple[Metric, list[Values]]]) -> list[tuple[Metric, list[Values]]]:
    """Return the values of metrics on the CPU; one transfer a device."""
    away: dict[torch.device, list[Tensor]] = {}
    for _, values in results:
        for found in values:
            for tensor in (found.values, found.tokens):
                if tensor is not None and tensor.device.type != "cpu":
                    away.setdefault(tensor.device, []).append(tensor)
    if not away:
        return list(results)
    home = {}
    for tensors in away.values():
        numbers = torch.cat([tensor.double().flatten() for tensor in tensors]).cpu()
        pieces = numbers.split([tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            home[id(tensor)] = piece.view(tensor.shape)

    def moved(found: Values) -> Values:
        return replace(
            found,
            values=home.get(id(found.values), found.values),
            tokens=home.get(id(found.tokens), found.tokens),
        )

    return [(metric, [moved(found) for found in values]) for metric, values in results]


def copied(found: Values) -> Values:
    """Return values that stay as they are.

    Rows are made of them later, when who gave them may have gone on to write in the same tensors.
    """
    values, tokens = (None if x is None else x.clone() for x in (found.values, found.tokens))
    return replace(found, values=values, tokens=tokens)


def on_one_device(state: State) -> State:
    """Return the state as it is, or on the CPU where the layers of a model lie apart."""
    every = [own.sums for own in state.blocks] if isinstance(state, Blocks) else state.values()
    if len({value.device for sums in every for value in sums.values()}) <= 1:
        return state
    return mapped(state, lambda sums: {name: value.cpu() for name, value in sums.items()})
