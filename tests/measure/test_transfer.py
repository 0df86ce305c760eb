"""Values come from their device together; meta tensors, which hold none, stand in for a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cortexscope.measure._transfer import at_home
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Values
from cortexscope.records import Site

SITE = Site("decoder", 1)


class Counting(TorchFunctionMode):
    """Counts transfers, and gives numbers for what a meta tensor would bring."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is Tensor.cpu:
            self.sizes.append(args[0].numel())
            return torch.arange(args[0].numel(), dtype=args[0].dtype)
        return func(*args, **(kwargs or {}))


def results(*shapes: tuple[int, ...], device: str) -> Any:
    (metric,) = make_metrics(["residual_norm"], MetricOptions())
    values = [Values((SITE,), torch.zeros(shape, device=device), "why") for shape in shapes]
    return [(metric, values), (metric, [Values((SITE,), None, "nothing")])]


def test_all_values_of_a_device_come_in_one_transfer_and_in_their_places() -> None:
    given = results((2, 3), (1, 3, 4), (5, 1), device="meta")
    with Counting() as counting:
        (_, brought), (_, rest) = at_home(given)
    assert counting.sizes == [6 + 12 + 5]
    arrived = [found.values for found in brought if found.values is not None]
    assert [tuple(values.shape) for values in arrived] == [(2, 3), (1, 3, 4), (5, 1)]
    flat = torch.cat([values.flatten() for values in arrived])
    assert flat.tolist() == list(range(23))
    assert flat.dtype == torch.float64
    assert [found.reason for found in brought] == ["why"] * 3
    assert rest == [Values((SITE,), None, "nothing")]


def test_values_that_are_at_home_stay() -> None:
    given = results((2, 3), (4, 1), device="meta") + results((7, 2), device="cpu")
    with Counting() as counting:
        brought = at_home(given)
    assert counting.sizes == [10]
    assert brought[2][1][0].values is given[2][1][0].values
