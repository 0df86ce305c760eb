"""Let a function stand for a module's own forward, for a while."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import nn

__all__ = ["stand_for"]


def stand_for(module: nn.Module, act: Callable[..., Any], exits: ExitStack) -> None:
    """Have a function called in place of a module's forward, until the exits are closed.

    The module's hooks are called as ever.

    Args:
        module: whose forward it is.
        act: called as `act(forward, *args, **kwargs)`.
        exits: closing them takes it back.
    """
    own, forward = vars(module).get("forward"), module.forward
    exits.callback(_restore, module, own)
    vars(module)["forward"] = _Instead(forward, act)


class _Instead:
    def __init__(self, forward: Callable[..., Any], act: Callable[..., Any]) -> None:
        self._forward, self._act = forward, act

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return self._act(self._forward, *args, **kwargs)


def _restore(module: nn.Module, own: Any) -> None:  # noqa: ANN401
    if own is None:
        vars(module).pop("forward", None)
    else:
        vars(module)["forward"] = own
