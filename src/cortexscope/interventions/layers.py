"""A block skipped: the stream leaves it as it entered."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from cortexscope.interventions import _hooks as hooks
from cortexscope.interventions._edit import LayerEdit
from cortexscope.interventions._reading import Readings
from cortexscope.interventions._sharing import check_not_shared
from cortexscope.interventions._target import Target

__all__ = ["Layers"]


@dataclass(frozen=True, slots=True)
class Layers(LayerEdit):
    """Skips blocks: the state of a layer is that of the layer before.

    The block still runs, so that the memory of a model that generates has as many entries as ever,
    and what it gives is thrown away. What a block makes for others, as the first of T5 makes the
    position bias, they keep; where others read its keys and values it is refused.
    """

    kind: ClassVar[str] = "layers"

    def check(self, target: Target) -> None:
        """Refuse layers that are not there, or whose keys and values others read."""
        for place in self.places:
            check_not_shared(target, place, target.block(place))

    def install(self, target: Target, readings: Readings, exits: ExitStack) -> None:
        """Give the state that came in in place of the one that comes out."""
        for place in self.places:
            removed = hooks.Removed(target.site(place), "layer", None, "the layer was removed")
            skip = _Skip((removed,))
            block = target.part(target.block(place).path)
            hooks.before(block, skip, exits)
            hooks.after(block, skip, exits)


class _Skip(hooks.Hook):
    def __init__(self, removed: tuple[hooks.Removed, ...]) -> None:
        self.removed = removed
        self._kept: Tensor | None = None

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs.get("hidden_states")
        # Some blocks add in place.
        self._kept = states.clone() if isinstance(states, Tensor) else None

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        kept, self._kept = self._kept, None
        return None if kept is None else hooks.with_first(output, kept)
