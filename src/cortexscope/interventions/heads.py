"""Attention heads set to zero, to their mean, or to their value in another prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from cortexscope.errors import CortexscopeError
from cortexscope.interventions._hooks import Removed
from cortexscope.interventions._places import Place
from cortexscope.interventions._target import Target
from cortexscope.interventions._units import Row, UnitEdit, inputs_of
from cortexscope.models import known_part, sizes_of

__all__ = ["Heads", "share_of_key_head"]

_COUNTS = ("num_heads", "num_attention_heads", "n_heads", "n_head")
_KEY_COUNTS = ("num_key_value_heads", "num_kv_heads")
_WIDTHS = ("head_dim", "attention_head_size", "attention_head_dim")


@dataclass(frozen=True, slots=True)
class Heads(UnitEdit):
    """Sets query heads to a value, in what the output matrix of attention reads.

    A head that shares its keys and values with others leaves these to them; `share_of_key_head`
    says with how many. Heads count from 0 as in every table.
    """

    kind: ClassVar[str] = "heads"
    unit: ClassVar[str] = "head"

    @classmethod
    def row(cls, target: Target, place: Place) -> Row:
        """Return where the heads of a layer are: side by side before the output matrix."""
        block = target.block(place)
        if block.attention is None:
            raise target.refuse(f"Heads of layer {place.layer}", "it has no softmax attention")
        path = block.attention_output
        inputs = None if path is None else inputs_of(target.part(path))
        if path is None or inputs is None:
            raise target.refuse(
                f"Heads of layer {place.layer}",
                "no output matrix was found that reads them side by side",
            )
        count = _count(target, target.part(block.attention), inputs)
        if count is None:
            raise target.refuse(
                f"Heads of layer {place.layer}",
                f"nothing says how many heads share the {inputs} features of its output matrix",
            )
        return Row(path, count, inputs // count)

    def removed(self, target: Target, place: Place) -> tuple[Removed, ...]:
        """Return the head: what it attends to has no effect."""
        reason = f"the head {self.value.words}"
        return (Removed(target.site(place), "head", place.index, reason),)


def share_of_key_head(target: Target, place: Place) -> tuple[int, int]:
    """Return which key head a query head reads, and how many query heads read that one."""
    block = target.block(place)
    row = Heads.row(target, place)
    assert block.attention is not None
    assert place.index is not None
    attention = target.part(block.attention)
    keys = _first(attention, _KEY_COUNTS)
    groups = _first(attention, ("num_key_value_groups",))
    if groups is None:
        part = known_part(target.module)
        if keys is None and part is not None:
            keys = sizes_of(part.config, vocabulary=0).kv_heads
        groups = row.units // keys if keys and row.units % keys == 0 else 1
    return place.index // groups, groups


def _count(target: Target, attention: nn.Module, inputs: int) -> int | None:
    """Return the number of query heads: of the attention itself, by their width, or configured."""
    count = _first(attention, _COUNTS)
    width = _first(attention, _WIDTHS)
    if count is None and width is not None and inputs % width == 0:
        count = inputs // width
    part = known_part(target.module)
    if count is None and part is not None:
        try:
            count = sizes_of(part.config, vocabulary=0).heads
        except CortexscopeError:
            return None
    return count if count and inputs % count == 0 else None


def _first(module: nn.Module, names: tuple[str, ...]) -> int | None:
    for part in module.modules():
        for name in names:
            value = getattr(part, name, None)
            if isinstance(value, int) and value > 0:
                return value
    return None
