"""Blocks: each is found once and in order, and what adds up to the residual stream."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cortexscope.models import StackAnatomy
from cortexscope.records import Finding, Site
from cortexscope.selfchecks._plain import Pass, Step
from cortexscope.selfchecks._reading import Reading
from cortexscope.selfchecks._subject import Subject
from cortexscope.selfchecks._tolerance import (
    Error,
    apart,
    does_not_apply,
    judged,
    rounding_of,
)

__all__ = ["block_order", "hidden_states", "residual_stream"]


def block_order(subject: Subject, plain: Pass) -> Finding:
    """Compare the blocks that ran, and their number, with those of the anatomy."""
    errors = []
    for stack in subject.anatomy.stacks:
        ran = [step.path for step in plain.steps[stack.name]]
        expected = [block.path for block in stack.blocks]
        returned = plain.returned[stack.name]
        if returned and len(returned) != len(expected) + 1:
            what = f"transformers counts {len(returned) - 1} layers and {len(expected)} were found"
            errors.append(Error(Site.whole(stack.name), 1.0, what))
        for layer in range(1, max(len(ran), len(expected)) + 1):
            pair = [(*paths, "nothing")[min(layer - 1, len(paths))] for paths in (ran, expected)]
            what = f"{pair[0]} runs where {pair[1]} was to run"
            errors.append(Error(Site(stack.name, layer), float(pair[0] != pair[1]), what))
    return judged(
        "block order",
        errors,
        0.0,
        good="Every block was found once, and they run in this order.",
        bad="The blocks that were found are not those that run: {what}.",
    )


def hidden_states(subject: Subject, plain: Pass, reading: Reading) -> Finding:
    """Compare the states that the tap shows with the blocks' own and with transformers'."""
    errors: list[Error] = []
    compared = True
    for stack in subject.anatomy.stacks:
        steps = plain.steps[stack.name]
        seen = [reading.states.get(Site(stack.name, k)) for k in range(len(stack.blocks) + 1)]
        own = [steps[0].given, *(step.gave for step in steps)]
        errors += _compared(stack, seen, own, "what the block gives")
        known = _aligned(plain.returned[stack.name], own)
        compared &= known is not None
        if known is not None:
            errors += _compared(stack, seen[:-1], known[:-1], "what transformers returns")
            ends = (seen[-1], reading.states.get(Site.final(stack.name)))
            last = min(_far(end, known[-1]) for end in ends)
            errors.append(Error(Site(stack.name, len(steps)), last, "what transformers returns"))
    note = (
        "and by transformers" if compared else "(transformers returns none that could be compared)"
    )
    return judged(
        "hidden states",
        sorted(errors, key=lambda error: (error.site or Site("encoder", 0)).layer or 0),
        rounding_of(subject.dtype),
        good=f"The state of each layer is the one given by its block {note}.",
        bad="What is taken for the state of this layer is not {what}.",
    )


def _compared(
    stack: StackAnatomy, seen: list[Tensor | None], wanted: list[Tensor], what: str
) -> Iterator[Error]:
    for layer, (one, other) in enumerate(zip(seen, wanted, strict=False)):
        yield Error(Site(stack.name, layer), _far(one, other), what)


def _far(one: Tensor | None, other: Tensor) -> float:
    if one is None or not other.numel():
        return float("inf")
    return apart(one, other, floor=_size(other))


def _size(state: Tensor) -> float:
    return float(state.double().square().mean().sqrt().clamp(min=1e-12))


def _aligned(returned: list[Tensor], own: list[Tensor]) -> list[Tensor] | None:
    """Return the states of transformers layer by layer from the embedding output on.

    Some models leave that one out, and return the last layer before and after the final norm.
    None where they begin with neither it nor the first block's output.
    """
    if len(returned) != len(own):
        return None
    if torch.equal(returned[0], own[0]):
        return returned
    if torch.equal(returned[0], own[1]):
        return [own[0], *returned[:-2], returned[-1]]
    return None


def residual_stream(subject: Subject, plain: Pass) -> list[Finding]:
    """Compare the change that each block makes with the sum of what its parts give."""
    return [_added_up(subject, stack, plain) for stack in subject.anatomy.stacks]


def _added_up(subject: Subject, stack: StackAnatomy, plain: Pass) -> Finding:
    name = "residual stream"
    if len(subject.anatomy.stacks) > 1:
        name += f" ({stack.name})"
    limit = rounding_of(subject.dtype)
    errors: list[Error] = []
    for alike in _kinds(subject, stack):
        gaps = [
            (layer, _gap(plain.steps[stack.name][layer - 1]))
            for layer in alike
            if not subject.is_gone(Site(stack.name, layer), "layer")
        ]
        if 2 * sum(gap <= limit for _, gap in gaps) > len(gaps):
            errors += [Error(Site(stack.name, layer), gap) for layer, gap in gaps]
    if not errors:
        return does_not_apply(
            name, "Its blocks norm or scale what they add, or add it inside of their parts."
        )
    some = "" if len(errors) == len(stack.blocks) else f"In {len(errors)} layers of a simple kind: "
    return judged(
        name,
        sorted(errors, key=lambda error: (error.site or Site("encoder", 0)).layer or 0),
        limit,
        good=f"{some}Each layer is the one before it, plus what attention and MLP give.",
        bad="This layer is not the one before it plus what its attention and MLP give, "
        "as most others are.",
    )


def _kinds(subject: Subject, stack: StackAnatomy) -> list[list[int]]:
    """Return the layers of each kind of block; those of one kind are made of the same parts."""
    kinds: dict[tuple[tuple[str, type], ...], list[int]] = {}
    for layer, block in enumerate(stack.blocks, start=1):
        parts = subject.module.get_submodule(block.path).named_children()
        kinds.setdefault(tuple((name, type(part)) for name, part in parts), []).append(layer)
    return list(kinds.values())


def _gap(step: Step) -> float:
    if not step.parts or any(part.shape != step.gave.shape for part in step.parts.values()):
        return float("inf")
    total = step.given.double()
    for part in step.parts.values():
        total = total + part.double()
    return apart(total, step.gave, floor=_size(step.gave))
