"""The MLP of a block alone taken out, with its experts: it adds nothing to the stream."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from cortexscope.interventions._branch import silence
from cortexscope.interventions._edit import LayerEdit
from cortexscope.interventions._hooks import Removed
from cortexscope.interventions._reading import Readings
from cortexscope.interventions._target import Target

__all__ = ["MLP"]


@dataclass(frozen=True, slots=True)
class MLP(LayerEdit):
    """Takes the MLP out: nothing is added by it, nor by its experts, neither its last bias."""

    kind: ClassVar[str] = "mlp"

    def check(self, target: Target) -> None:
        """Refuse layers without an MLP that ends in one part."""
        for place in self.places:
            if target.block(place).mlp_output is None:
                raise target.refuse(
                    f"MLP {place}", "no part was found through which it adds to the stream"
                )

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Silence the branch."""
        for place in self.places:
            block = target.block(place)
            removed = Removed(target.site(place), "mlp", None, "the MLP was removed")
            assert block.mlp_output is not None
            silence(target.module, block, block.mlp_output, (removed,), exits)
