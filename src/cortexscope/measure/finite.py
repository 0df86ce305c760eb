"""Find where in a model numbers stop being finite, and say what helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from cortexscope.models import Anatomy
from cortexscope.records import Site, Stack

__all__ = ["are_finite", "first_not_finite", "not_finite"]


def first_not_finite(
    module: nn.Module,
    anatomy: Anatomy,
    tokens: Mapping[Stack, Tensor],
    run: Callable[[], object],
) -> Site | None:
    """Return the first state of a forward pass with a number that is not finite.

    Args:
        module: the model.
        anatomy: of it.
        tokens: by stack which positions hold tokens, [prompt, token].
        run: makes the pass.

    Returns:
        Layer 0 is the embedding output, and no layer the output after the last norm; None where
        all are finite.
    """
    found: list[Site] = []
    with ExitStack() as hooks:
        for stack in anatomy.stacks:
            for handle in _hooks(module, stack.name, anatomy, tokens[stack.name], found):
                hooks.callback(handle.remove)
        with torch.no_grad():
            run()
    return found[0] if found else None


def _hooks(
    module: nn.Module, name: Stack, anatomy: Anatomy, tokens: Tensor, found: list[Site]
) -> list[torch.utils.hooks.RemovableHandle]:
    stack = next(stack for stack in anatomy.stacks if stack.name == name)
    step = 0

    def enter(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if step == 0 and not are_finite(args[0] if args else kwargs.get("hidden_states"), tokens):
            found.append(Site(name, 0))

    def leave(part: nn.Module, args: object, output: object) -> None:
        nonlocal step
        step += 1
        if not are_finite(output, tokens):
            found.append(Site(name, step))

    def end(part: nn.Module, args: object, output: object) -> None:
        if not are_finite(getattr(output, "last_hidden_state", output), tokens):
            found.append(Site.final(name))

    handles = [module.get_submodule(stack.backbone).register_forward_hook(end)]
    for path in dict.fromkeys(block.path for block in stack.blocks):
        block = module.get_submodule(path)
        handles.append(block.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(block.register_forward_hook(leave))
    return handles


def are_finite(state: object, tokens: Tensor) -> bool:
    """Return whether a state has finite numbers at the tokens; True for what is no state."""
    if isinstance(state, tuple | list):
        state = next((part for part in state if isinstance(part, Tensor)), None)
    if not isinstance(state, Tensor):
        return True
    if state.shape[:2] == tokens.shape:
        # Whatever becomes of padding is no matter.
        state = state[tokens.bool().to(state.device)]
    return bool(state.isfinite().all())


def not_finite(module: nn.Module, anatomy: Anatomy, site: Site, dtype: torch.dtype) -> str:
    """Return where numbers are not finite, why as far as that shows, and what helps.

    Args:
        module: the model.
        anatomy: of it.
        site: the first state with such a number.
        dtype: of what the model computes.
    """
    stack = next(stack for stack in anatomy.stacks if stack.name == site.stack)
    where = f"layer {site.layer} of {len(stack.blocks)}"
    path: str | None = stack.final_norm
    if site.layer:
        path = stack.blocks[site.layer - 1].path
    elif site.layer == 0:
        where, path = "the embedding output", anatomy.embedding
    else:
        where = "the output after the last norm"
    of = f" of the {site.stack}" if len(anatomy.stacks) > 1 else ""
    broken = None if path is None else _broken(module, path)
    if broken is not None:
        why = f"its weight {broken} holds some; fetch the weights again, or choose another model"
    elif dtype == torch.float16:
        why = (
            "float16 ends at 65,504; load the model in bfloat16 or float32 "
            "(--dtype bfloat16, --dtype float32)"
        )
    elif dtype == torch.bfloat16:
        why = "its weights are finite; load the model in float32 (--dtype float32)"
    else:
        why = "its weights are finite, but too large for what it computes; choose another model"
    return f"Numbers are not finite from {where}{of} on: {why}."


def _broken(module: nn.Module, path: str) -> str | None:
    for name, weight in module.get_submodule(path).named_parameters():
        if weight.is_floating_point() and not weight.is_meta and not bool(weight.isfinite().all()):
            return f"{path}.{name}"
    return None
