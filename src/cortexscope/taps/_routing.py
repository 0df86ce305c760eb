"""What a router said: its distribution over the experts, and where it sent each token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from cortexscope.models import Block

__all__ = ["RouterNotes", "RouterWatch", "Routing"]

_LINEAR = frozenset({functional.linear})
_SIGMOIDS = frozenset({torch.sigmoid, Tensor.sigmoid})
_TOPKS = frozenset({torch.topk, Tensor.topk})


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing of a batch in one layer."""

    tokens: Bool[Tensor, "prompt token"]
    """Which positions hold a token and not padding."""
    experts: int
    """Number of routed experts."""
    probabilities: Float[Tensor, "prompt token expert"] | None
    """The router's distribution over all experts, float32: the softmax of its logits, or, where it
    weighs by sigmoids, these divided by their sum. None where it shows no logits."""
    slots: Int[Tensor, "prompt token expert"] | None
    """How many of a token's slots go to each expert; None where the router does not say."""


class RouterWatch:
    """The routers of the blocks of one stack.

    Args:
        module: the whole model.
        blocks: whose routers are watched; one that runs several times is given once.
    """

    def __init__(self, module: nn.Module, blocks: Sequence[Block]) -> None:
        self._module = module
        self._blocks = [block for block in blocks if block.router is not None]
        self.forget()

    def forget(self) -> None:
        """Forget the block before."""
        self._notes: RouterNotes | None = None
        self.notes: RouterNotes | None = None
        """Of a router that may yet say something."""
        self.running = False
        """Whether a router is running, whose softmax is no attention."""

    def hook(self) -> Iterator[RemovableHandle]:
        """Install the hooks, yielding what removes each."""
        for block in self._blocks:
            assert block.router is not None
            router = self._module.get_submodule(block.router)
            yield router.register_forward_pre_hook(self._enter(block.expert_count))
            yield router.register_forward_hook(self._leave)
            if block.experts is not None:
                experts = self._module.get_submodule(block.experts)
                yield experts.register_forward_pre_hook(self._chosen)

    def _enter(self, experts: int) -> Callable[[nn.Module, object], None]:
        def enter(module: nn.Module, args: object) -> None:
            self.running = True
            self.notes = self._notes = RouterNotes(experts)

        return enter

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        self.running = False
        if self._notes is not None:
            self._notes.leave(output)

    def _chosen(self, module: nn.Module, args: object) -> None:
        self.notes = None

    def routing(self, tokens: Bool[Tensor, "prompt token"]) -> Routing | None:
        """Return what the block's router said of these tokens, None if there is none."""
        return None if self._notes is None else self._notes.routing(tokens)


class RouterNotes:
    """What is heard of a router while it runs: its logits, whether it takes sigmoids, its choice.

    A router is a matrix with one row an expert; a softmax, or sigmoids, of its product with the
    state; and a choice of the best. All three are functions of torch that can be listened to, so
    nothing has to be guessed from values.

    Args:
        experts: number of experts.
    """

    def __init__(self, experts: int) -> None:
        self._experts = experts
        self._logits: Tensor | None = None
        self._chosen: Tensor | None = None
        self._sigmoids = False
        self._told: list[Tensor] = []
        self._inside = True

    def hear(self, function: Callable[..., Any], args: tuple[Any, ...], result: Any) -> None:  # noqa: ANN401
        """Take note of a function that was called after the router began."""
        if function in _TOPKS:
            if args[0].shape[-1] == self._experts:
                self._chosen = result[1].detach().clone()
        elif function in _SIGMOIDS:
            self._sigmoids |= result.shape[-1] == self._experts
        elif function in _LINEAR and self._inside and result.shape[-1] == self._experts:
            self._logits = result.detach().clone()

    def leave(self, output: object) -> None:
        """Take note that the router is through; others may yet choose by what it said."""
        # Copied like all that is kept here, since those may work in place.
        self._told = [x.detach().clone() for x in _tensors(output)]
        self._inside = False

    def routing(self, tokens: Bool[Tensor, "prompt token"]) -> Routing | None:
        """Return what it all came to, None if nothing was said of these tokens."""
        count = tokens.numel()
        told = [x for x in self._told if x.dim() > 1 and x.numel() % count == 0]
        logits = self._logits
        if logits is None:
            floats = (x for x in told if x.is_floating_point())
            logits = next((x for x in floats if x.shape[-1] == self._experts), None)
        if logits is not None and logits.numel() != count * self._experts:
            logits = None
        slots = self._slots(told, count)
        some = logits if logits is not None else slots
        if some is None:
            return None
        shape = (*tokens.shape, self._experts)
        return Routing(
            tokens=tokens.to(some.device),
            experts=self._experts,
            probabilities=None if logits is None else self._distribution(logits).reshape(shape),
            slots=None if slots is None else slots.reshape(shape),
        )

    def _distribution(self, logits: Tensor) -> Tensor:
        if not self._sigmoids:
            return torch.softmax(logits.float(), -1)
        scores = torch.sigmoid(logits.float())
        return scores / scores.sum(-1, keepdim=True)

    def _slots(self, told: list[Tensor], count: int) -> Tensor | None:
        """Return the slots of each token, [token, expert]."""
        chosen = next((x for x in told if not x.is_floating_point()), self._chosen)
        if chosen is None or chosen.numel() % count:
            return None
        chosen = chosen.reshape(count, -1).long()
        picked = self._chosen is not None and self._chosen.numel() == chosen.numel()
        if chosen.shape[1] == self._experts and not picked:
            # Some routers give a mask over the experts in place of their numbers.
            return chosen
        return functional.one_hot(chosen, self._experts).sum(1)


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _tensors(part)
