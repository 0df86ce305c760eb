"""Self-attention of a block alone taken out: it adds nothing to the stream."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from cortexscope.interventions._branch import silence
from cortexscope.interventions._edit import LayerEdit
from cortexscope.interventions._hooks import Removed
from cortexscope.interventions._reading import Readings
from cortexscope.interventions._sharing import check_not_shared
from cortexscope.interventions._target import Target

__all__ = ["Attention"]


@dataclass(frozen=True, slots=True)
class Attention(LayerEdit):
    """Takes self-attention out: nothing is added by it, neither its output matrix's bias.

    Mixers and cross-attention of the same block stay. It still runs, so that the memory of a model
    that generates has as many entries as ever.
    """

    kind: ClassVar[str] = "attention"

    def check(self, target: Target) -> None:
        """Refuse layers without softmax attention, or whose keys and values others read."""
        for place in self.places:
            block = target.block(place)
            if block.attention is None:
                raise target.refuse(f"Attention {place}", "the layer has no softmax attention")
            if block.attention_output is None:
                raise target.refuse(
                    f"Attention {place}", "no matrix was found through which it adds to the stream"
                )
            check_not_shared(target, place, block)

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Silence the branch."""
        for place in self.places:
            block = target.block(place)
            removed = Removed(target.site(place), "attention", None, "the attention was removed")
            assert block.attention_output is not None
            silence(target.module, block, block.attention_output, (removed,), exits)
