"""Hooks that change what a module is given or gives, in order and before any that watch it."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from cortexscope.records import Site

__all__ = [
    "Hook",
    "Removed",
    "after",
    "around",
    "before",
    "first_of",
    "given_first",
    "removed_from",
    "with_first",
]


@dataclass(frozen=True, slots=True)
class Removed:
    """A part of a model that is not there any more, though its code still runs."""

    site: Site
    part: str
    """`layer`, `attention`, `mlp`, `head` or `expert`."""
    index: int | None
    """Of the head or the expert."""
    reason: str
    """What a table says where a value would be of it."""

    def holds(self, site: Site) -> bool:
        """Return whether a site is of it; cross-attention is of the decoder's layer as a whole."""
        crossed = self.part == "layer" and site.stack == "cross" and self.site.stack == "decoder"
        return site == self.site or (crossed and site.layer == self.site.layer)


class Hook:
    """Called with a module and what it is given, or with what it gave too.

    It holds what it needs itself, so that a copy of the model has a hook of its own.
    """

    removed: tuple[Removed, ...] = ()

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Return what the module is given instead, None for the same."""
        raise NotImplementedError

    def after(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401 - what modules give
        """Return what the module gives instead, None for the same."""
        raise NotImplementedError


C = TypeVar("C", bound="_Changing")


class _Changing:
    """What torch calls of a hook that changes a model."""

    made: ClassVar[bool] = False
    """Whether any was ever made, also as part of a copy of a model."""

    def __new__(cls: type[C], *_: object) -> C:
        _Changing.made = True
        return super().__new__(cls)

    def __init__(self, hook: Hook) -> None:
        self.hook = hook


class _Before(_Changing):
    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        return self.hook.before(module, args, kwargs)


class _After(_Changing):
    def __call__(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401 - what modules give
    ) -> Any:  # noqa: ANN401
        return self.hook.after(module, args, kwargs, output)


def before(module: nn.Module, hook: Hook, exits: ExitStack) -> None:
    """Have a hook change what a module is given, until the exits are closed."""
    handle = module.register_forward_pre_hook(_Before(hook), with_kwargs=True, prepend=True)
    exits.callback(handle.remove)
    _in_order(module._forward_pre_hooks)


def after(module: nn.Module, hook: Hook, exits: ExitStack) -> None:
    """Have a hook change what a module gives, until the exits are closed."""
    handle = module.register_forward_hook(_After(hook), with_kwargs=True, prepend=True)
    exits.callback(handle.remove)
    _in_order(module._forward_hooks)


def _in_order(hooks: Any) -> None:  # noqa: ANN401 - torch's ordered dictionary of hooks
    """Let changes act in the order in which they came, and all of them before who watches."""
    own = [key for key, hook in hooks.items() if isinstance(hook, _Changing)]
    for key in sorted(own, reverse=True):
        hooks.move_to_end(key, last=False)


def removed_from(module: nn.Module) -> tuple[Removed, ...]:
    """Return which parts of a model are taken out at present."""
    found: dict[Removed, None] = {}
    if not _Changing.made:
        # To look through all parts takes a hundredth of a short pass.
        return ()
    for part in module.modules():
        for hook in (*part._forward_pre_hooks.values(), *part._forward_hooks.values()):
            if isinstance(hook, _Changing):
                found.update(dict.fromkeys(hook.hook.removed))
    return tuple(found)


def first_of(args: Any, kwargs: dict[str, Any]) -> Tensor | None:  # noqa: ANN401
    """Return the first tensor that a module is given, or gives."""
    if isinstance(args, Tensor):
        return args
    given = (*args, *kwargs.values()) if isinstance(args, tuple | list) else ()
    return next((x for x in given if isinstance(x, Tensor)), None)


def with_first(args: Any, tensor: Tensor) -> Any:  # noqa: ANN401
    """Return the same with another first tensor: a tensor, or a tuple or list that begins so."""
    if isinstance(args, Tensor):
        return tensor
    rest = list(args)
    place = next(number for number, x in enumerate(rest) if isinstance(x, Tensor))
    rest[place] = tensor
    return type(args)(rest)


def given_first(
    args: tuple[Any, ...], kwargs: dict[str, Any], tensor: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a module is given with another first tensor."""
    if any(isinstance(x, Tensor) for x in args):
        return with_first(args, tensor), kwargs
    name = next(name for name, x in kwargs.items() if isinstance(x, Tensor))
    return args, {**kwargs, name: tensor}


class _Around:
    """Runs a module's own forward inside of a context."""

    def __init__(self, forward: Any, context: AbstractContextManager[Any]) -> None:  # noqa: ANN401
        self._forward, self._context = forward, context

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with self._context:
            return self._forward(*args, **kwargs)


def around(module: nn.Module, context: AbstractContextManager[Any], exits: ExitStack) -> None:
    """Have a module run inside of a context, until the exits are closed."""
    own = vars(module).get("forward")
    exits.callback(_restore, module, own)
    vars(module)["forward"] = _Around(module.forward, context)


def _restore(module: nn.Module, own: Any) -> None:  # noqa: ANN401
    if own is None:
        vars(module).pop("forward", None)
    else:
        vars(module)["forward"] = own
