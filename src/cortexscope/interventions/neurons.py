"""Neurons of an MLP set to zero, to their mean, or to their value in another prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cortexscope.interventions._places import Place
from cortexscope.interventions._target import Target
from cortexscope.interventions._units import Row, UnitEdit, inputs_of

__all__ = ["Neurons"]


@dataclass(frozen=True, slots=True)
class Neurons(UnitEdit):
    """Sets neurons to a value, in what the down projection reads: behind gate and activation."""

    kind: ClassVar[str] = "neurons"
    unit: ClassVar[str] = "neuron"

    @classmethod
    def row(cls, target: Target, place: Place) -> Row:
        """Return where the neurons of a layer are: before the down projection."""
        block = target.block(place)
        inputs = None if block.neurons is None else inputs_of(target.part(block.neurons))
        if block.neurons is None or inputs is None:
            why = (
                "its MLP is made of experts, whose neurons are computed together"
                if block.experts
                else "no MLP with a down projection was found in it"
            )
            raise target.refuse(f"Neurons of layer {place.layer}", why)
        return Row(block.neurons, inputs, 1)
