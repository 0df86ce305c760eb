"""The model that is changed: where its parts are, and in what words one of them is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from cortexscope.errors import UsageError
from cortexscope.interventions._places import Place
from cortexscope.models import Anatomy, Block, Model, StackAnatomy, find_anatomy
from cortexscope.records import Site

__all__ = ["Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A model with its anatomy."""

    module: nn.Module
    anatomy: Anatomy
    tokenizer: Any | None = None
    """None where only the module is known."""
    device: torch.device | None = None
    """Where token ids belong; None where nothing says."""

    @classmethod
    def of(cls, model: nn.Module | Model | Target) -> Target:
        """Return a loaded model, or a module, as a target, and a target as it is.

        Raises:
            UsageError: if it is none of them.
            UnsupportedModelError: if its blocks cannot be found.
        """
        if isinstance(model, Target):
            return model
        if isinstance(model, Model):
            return cls(model.module, find_anatomy(model.module), model.tokenizer, model.device)
        if not isinstance(model, nn.Module):
            raise UsageError(
                f"A change applies to a torch module, and was given {type(model).__name__}; load "
                "one with cortexscope.load_model(reference)."
            )
        device = next((p.device for p in model.parameters()), None)
        return cls(model, find_anatomy(model), None, device)

    @property
    def kind(self) -> str:
        """What the model is called in a sentence."""
        return type(self.module).__name__

    def stack(self, place: Place) -> StackAnatomy:
        """Return the stack of a place.

        Raises:
            UsageError: if the model has no such stack, or two and the place names none.
        """
        names = [stack.name for stack in self.anatomy.stacks]
        if place.stack is None and len(names) > 1:
            raise self.refuse(
                _layer(place),
                "it has an encoder and a decoder; write encoder. or decoder. in front",
            )
        for stack in self.anatomy.stacks:
            if place.stack in (None, stack.name):
                return stack
        raise self.refuse(_layer(place), f"it has no {place.stack}, only a {names[0]}")

    def block(self, place: Place) -> Block:
        """Return the block that gives a layer.

        Raises:
            UsageError: if there is none, or several layers share it.
        """
        stack = self.stack(place)
        if not 1 <= place.layer <= len(stack.blocks):
            raise self.refuse(_layer(place), f"it has the layers 1 to {len(stack.blocks)}")
        block = stack.blocks[place.layer - 1]
        if stack.blocks.count(block) > 1:
            raise self.refuse(
                _layer(place),
                "its layers share one module, so that one of them cannot be changed alone",
            )
        return block

    def part(self, path: str) -> nn.Module:
        """Return a module by its path from the root."""
        return self.module.get_submodule(path)

    def site(self, place: Place) -> Site:
        """Return where values of a place are."""
        return Site(self.stack(place).name, place.layer)

    def layers(self) -> Iterator[Place]:
        """Yield every layer, named as a user must name it."""
        for stack in self.anatomy.stacks:
            name = stack.name if len(self.anatomy.stacks) > 1 else None
            for layer in range(1, len(stack.blocks) + 1):
                yield Place(layer, None, name)

    def refuse(self, what: str, why: str) -> UsageError:
        """Return the error that says why something cannot be changed."""
        return UsageError(f"{what} of {self.kind} cannot be changed: {why}.")


def _layer(place: Place) -> str:
    return f"Layer {replace(place, index=None)}"
