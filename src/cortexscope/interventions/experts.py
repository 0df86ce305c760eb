"""Single experts taken out: the router chooses among the others, as its architecture does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cortexscope.errors import UnsupportedModelError, UsageError
from cortexscope.interventions import _hooks as hooks
from cortexscope.interventions._edit import Edit
from cortexscope.interventions._places import Place, places_of, written
from cortexscope.interventions._reading import Readings
from cortexscope.interventions._replacing import replace_tensor
from cortexscope.interventions._target import Target
from cortexscope.models import Block

__all__ = ["Experts"]

_PER_TOKEN = ("top_k", "num_experts_per_tok", "num_experts_per_token", "k")


@dataclass(frozen=True, slots=True)
class Experts(Edit):
    """Takes experts out: their logits are minus infinity before anything is made of them.

    So the softmax is over the others, sigmoids are 0, as many experts are chosen as before, and
    what the architecture does to their weights it does without those taken out. A correction that
    decides the choice beside the scores is minus infinity too; where experts stand in groups, a
    group that has too few left for its score is chosen last. Shared experts stay.

    Experts of a layer are computed together in most models, so that what a single one gives cannot
    be set to another value.
    """

    kind: ClassVar[str] = "experts"

    places: tuple[Place, ...]
    """Layer and number of each, in order."""

    @classmethod
    def parse(cls, where: str, how: str | None) -> Experts:
        """Return the experts that a user typed."""
        if how not in (None, "zero"):
            raise UsageError(
                f"Experts cannot be set to {how!r}, since those of a layer are computed together; "
                f"write experts:{where}, which takes them out."
            )
        return cls(places_of(where, units="expert"))

    @classmethod
    def parts(cls, target: Target) -> Iterator[Experts]:
        """Yield each expert of each layer that has a router."""
        for layer in target.layers():
            try:
                block = cls._routed(target, layer)
            except UsageError:
                continue
            yield from (cls((replace(layer, index=i),)) for i in range(block.expert_count))

    @property
    def first_layer(self) -> int:
        """The first of the layers."""
        return min(place.layer for place in self.places)

    def __str__(self) -> str:
        return f"{self.kind}:{written(self.places)}"

    @staticmethod
    def _routed(target: Target, place: Place) -> Block:
        block = target.block(place)
        if block.experts is None:
            raise target.refuse(f"Experts of layer {place.layer}", "it has none")
        if block.router is None:
            raise target.refuse(
                f"Experts of layer {place.layer}", "nothing was found that chooses among them"
            )
        return block

    def check(self, target: Target) -> None:
        """Refuse experts that are not there, and to leave fewer than a token is sent to."""
        for block, places in self._by_block(target):
            count = block.expert_count
            for place in places:
                assert place.index is not None
                if place.index >= count:
                    raise target.refuse(
                        f"Expert {place}", f"the layer has the experts 0 to {count - 1}"
                    )
            needed = _per_token(target, block)
            if needed is not None and count - len(places) < needed:
                raise target.refuse(
                    f"Experts {written(places)}",
                    f"{count - len(places)} would be left, and each token is sent to {needed}",
                )

    def _by_block(self, target: Target) -> Iterator[tuple[Block, list[Place]]]:
        for _, group in groupby(self.places, key=lambda place: (place.stack, place.layer)):
            places = list(group)
            yield self._routed(target, places[0]), places

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Let the routers choose among the others."""
        for block, places in self._by_block(target):
            assert block.router is not None
            router = target.part(block.router)
            shut = torch.zeros(block.expert_count)
            shut[[place.index for place in places]] = -torch.inf
            for part, name in _corrections(target, block):
                tensor = getattr(part, name)
                replace_tensor(part, name, tensor + shut.to(tensor), exits)
            removed = tuple(
                hooks.Removed(target.site(p), "expert", p.index, "the expert was removed")
                for p in places
            )
            shutter = _Shutter(shut)
            hooks.around(router, shutter, exits)
            hooks.after(router, _Proof(shutter, removed, target.kind, block.router), exits)


class _Shutter(TorchFunctionMode):
    """Adds minus infinity to the logits of experts while their router runs."""

    def __init__(self, shut: Tensor) -> None:
        super().__init__()
        self._shut = shut
        self.worked = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function that was called returns
        kwargs = kwargs or {}
        if func is not functional.linear:
            return func(*args, **kwargs)
        entries, weight, bias = (*args, None)[:3]
        bias = kwargs.get("bias", bias)
        if weight.shape[0] != len(self._shut):
            return func(*args, **kwargs)
        self.worked = True
        shut = self._shut.to(weight)
        # As a bias of the very call, so that who listens to it hears of the closed ones too.
        return func(entries, weight, shut if bias is None else bias + shut)


class _Proof(hooks.Hook):
    """Sees to it that the logits were found."""

    def __init__(
        self, shutter: _Shutter, removed: tuple[hooks.Removed, ...], kind: str, path: str
    ) -> None:
        self._shutter, self._kind, self._path = shutter, kind, path
        self.removed = removed

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        if not self._shutter.worked:
            raise UnsupportedModelError(
                f"No expert of {self._kind} can be taken out: its router {self._path} computes no "
                "logits that could be seen."
            )


def _corrections(target: Target, block: Block) -> Iterator[tuple[nn.Module, str]]:
    """Yield what decides the choice beside the scores, where a router has that."""
    assert block.router is not None
    around = block.router.rpartition(".")[0]
    inside = dict.fromkeys((*target.part(block.router).modules(), target.part(around)))
    for part in inside:
        for name, tensor in (*part._parameters.items(), *part._buffers.items()):
            if "correction" in name and tensor is not None and len(tensor) == block.expert_count:
                yield part, name


def _per_token(target: Target, block: Block) -> int | None:
    """Return how many experts a token is sent to, None where nothing says."""
    assert block.router is not None
    around = block.router.rpartition(".")[0]
    for part in (target.part(block.router), target.part(around)):
        for name in _PER_TOKEN:
            value = getattr(part, name, None)
            if isinstance(value, int) and value > 0:
                return value
    return None
