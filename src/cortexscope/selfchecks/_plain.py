"""One forward pass without a probe, seen by hooks of selfcheck's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortexscope.models import Block, StackAnatomy
from cortexscope.records import Stack
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.selfchecks._twin import twin_output

__all__ = ["Pass", "Step", "parts_of", "run_plainly"]


@dataclass(slots=True)
class Step:
    """One block that ran."""

    path: str
    given: Tensor
    """The state that it got, at the tokens, [token, feature]."""
    gave: Tensor = field(default_factory=lambda: torch.empty(0))
    parts: dict[str, Tensor] = field(default_factory=dict)
    """What its attention and MLP gave, by path."""
    routed: Tensor | None = None
    """What its router got, at the tokens."""


@dataclass(slots=True)
class Pass:
    """What happened."""

    output: Tensor
    steps: dict[Stack, list[Step]]
    """In the order in which blocks ran."""
    returned: dict[Stack, list[Tensor]]
    """The hidden states that transformers returns, at the tokens; empty where it returns none."""


def parts_of(block: Block, module: nn.Module) -> list[str]:
    """Return the paths of what a block adds to the residual stream: attention, mixers, MLP."""
    attending = [block.attention, block.cross_attention, *(mixer.path for mixer in block.mixers)]
    found = [path for path in attending if path is not None]
    inner = block.experts or block.neurons
    if inner is None:
        return found
    names = inner.removeprefix(block.path + ".").split(".")
    for depth in range(1, len(names) + 1):
        path = ".".join((block.path, *names[:depth]))
        apart = not any(f"{other}.".startswith(path + ".") for other in found)
        if apart and not isinstance(module.get_submodule(path), nn.ModuleList):
            return [*found, path]
    return found


def run_plainly(subject: Subject, batch: Batch) -> Pass:
    """Return what one forward pass without a probe does."""
    seen = Pass(torch.empty(0), {stack.name: [] for stack in subject.anatomy.stacks}, {})
    with ExitStack() as hooks:
        for stack in subject.anatomy.stacks:
            for handle in _hooks(
                subject, stack, batch.tokens_of(stack.name), seen.steps[stack.name]
            ):
                hooks.callback(handle.remove)
        result = subject.forward(batch)
    seen.output = subject.output(result, batch)
    single = len(subject.anatomy.stacks) == 1
    result = twin_output(subject, batch, "output_hidden_states", eager=False).result
    for stack in subject.anatomy.stacks:
        name = "hidden_states" if single else f"{stack.name}_hidden_states"
        returned = getattr(result, name, None) or ()
        tokens = batch.tokens_of(stack.name)
        seen.returned[stack.name] = [
            x[:, : tokens.shape[1]][tokens].cpu() for x in returned if isinstance(x, Tensor)
        ]
    return seen


def _hooks(
    subject: Subject, stack: StackAnatomy, tokens: Tensor, steps: list[Step]
) -> Iterator[torch.utils.hooks.RemovableHandle]:
    def kept(state: Any) -> Tensor:  # noqa: ANN401 - as modules return it
        return _at_tokens(state, tokens, turned=stack.peculiar.token_first)

    def enter(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            steps.append(Step(path, kept(args[0] if args else kwargs.get("hidden_states"))))

        return hook

    def leave(module: nn.Module, args: object, output: object) -> None:
        steps[-1].gave = kept(output)

    def part(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: object, output: object) -> None:
            if steps:
                steps[-1].parts[path] = kept(output)

        return hook

    def route(module: nn.Module, args: tuple[Any, ...]) -> None:
        if steps and args:
            steps[-1].routed = kept(args[0])

    for block in dict.fromkeys(stack.blocks):
        module = subject.module.get_submodule(block.path)
        yield module.register_forward_pre_hook(enter(block.path), with_kwargs=True)
        yield module.register_forward_hook(leave)
        for path in parts_of(block, subject.module):
            yield subject.module.get_submodule(path).register_forward_hook(part(path))
        if block.router is not None:
            router = subject.module.get_submodule(block.router)
            yield router.register_forward_pre_hook(route)


def _at_tokens(state: Any, tokens: Tensor, *, turned: bool) -> Tensor:  # noqa: ANN401
    """Return a state at the tokens, [token, feature]; empty where it is no state of them."""
    if isinstance(state, tuple | list):
        state = next((part for part in state if isinstance(part, Tensor)), None)
    if not isinstance(state, Tensor):
        return torch.empty(0)
    state = state.detach()
    if state.dim() == 2 and state.shape[0] == tokens.numel():
        state = state.unflatten(0, tuple(tokens.shape))
    if turned and state.dim() == 3:
        state = state.transpose(0, 1)
    spare = state.shape[1] - tokens.shape[1] if state.dim() == 3 else -1
    if spare < 0 or state.shape[0] != tokens.shape[0]:
        return torch.empty(0)
    kept: Tensor = state[functional.pad(tokens, (0, spare), value=False).to(state.device)]
    return kept.cpu()
