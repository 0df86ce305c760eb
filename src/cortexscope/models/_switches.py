"""Find what reads a token otherwise where its pass holds a longer text: LongRoPE and its kind.

Rotary positions of some models take other frequencies for all texts of a pass as soon as one of
them is long (LongRoPE: arXiv 2402.13753), or take those of the longest one (dynamic NTK), which
some keep for the passes that follow. What such a module gives depends on the last position that
it is asked for, so it is asked for the same few with a last one that is farther and farther away.
"""

from __future__ import annotations

import copy
import inspect
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from cortexscope.models._lists import integers, known_part
from cortexscope.models._quiet import quiet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LengthRule", "Switch", "Switches", "find_switches"]

_FEW = 3
"""Positions of which it is asked, beside the last one."""
_FAR = 4
"""A border is looked for in texts of up to so many times the positions of the configuration."""
_UNSAID = 1 << 15
"""Positions of a model whose configuration gives no number."""
_ASKED = ("position_ids", "seq_len")
"""How such a module is told of positions: of each, or of their number."""


class LengthRule(NamedTuple):
    """Which lengths of text a model reads alike, so that they may go through it together."""

    borders: tuple[int, ...] = ()
    """Texts of at most so many tokens are read otherwise than longer ones."""
    graded_above: int | None = None
    """Above so many tokens each length is read in a way of its own; None where none is."""

    def kind(self, tokens: int) -> tuple[int, int]:
        """Return what is the same for all lengths that are read alike.

        Example:
            >>> rule = LengthRule(borders=(16,))
            >>> rule.kind(9) == rule.kind(16), rule.kind(16) == rule.kind(17)
            (True, False)
        """
        own = self.graded_above is not None and tokens > self.graded_above
        return bisect_left(self.borders, tokens), tokens if own else 0


@dataclass(frozen=True, slots=True)
class Switch:
    """A module that reads positions by the longest text of a pass."""

    part: nn.Module
    rule: LengthRule
    fresh: nn.Module
    """A copy of it that has read nothing but a short text."""

    def reset(self) -> None:
        """Let the module forget the lengths of earlier passes."""
        self._become(self.fresh)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Leave the module as it was, whatever it reads inside."""
        before = _copy(self.part)
        try:
            yield
        finally:
            self._become(before)

    def _become(self, other: nn.Module) -> None:
        # Tensors of inference mode could not be changed outside of it.
        with torch.inference_mode(mode=False):
            for name, buffer in other._buffers.items():
                self.part._buffers[name] = None if buffer is None else buffer.clone()
        for name, value in vars(other).items():
            if name in vars(self.part) and isinstance(value, int | float | Tensor):
                vars(self.part)[name] = value

    def answers(self, given: dict[str, Any], output: object) -> bool:
        """Return whether it gave for an input what it gives without having seen another one."""
        found, fresh = _features(output), _features(_copy(self.fresh).forward(**given))
        return found is None or fresh is None or torch.equal(found, fresh)


class Switches(NamedTuple):
    """All such modules of a model; most models have none."""

    parts: tuple[Switch, ...]
    rule: LengthRule
    """Which lengths all of them read alike."""

    def reset(self) -> None:
        """Let the model forget the lengths of earlier passes."""
        for switch in self.parts:
            switch.reset()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Leave what the model knows of earlier passes as it was."""
        with ExitStack() as stack:
            for switch in self.parts:
                stack.enter_context(switch.kept())
            yield


def find_switches(module: nn.Module) -> Switches:
    """Return what in a model, with weights or without, reads positions by the longest text."""
    found = []
    config = getattr(known_part(module), "config", None)
    longest = _FAR * next(integers(config, ("max_position_embeddings",)), _UNSAID)
    rules: dict[tuple[object, ...], LengthRule] = {}
    for part in _told_positions(module):
        # Where each layer has its own, they are alike.
        name = (type(part), id(getattr(part, "config", None)), str(getattr(part, "rope_type", "")))
        fresh = _made(part)
        if fresh is None:
            continue
        for more in _kinds(fresh):
            _answer(fresh, _asked(fresh, 1, more))
        if name not in rules:
            rules[name] = _joined(_rule(fresh, more, longest) for more in _kinds(fresh))
        if rules[name] != LengthRule():
            found.append(Switch(part, rules[name], fresh))
    return Switches(tuple(found), _joined(switch.rule for switch in found))


def _joined(rules: Iterable[LengthRule]) -> LengthRule:
    every = list(rules)
    graded = [rule.graded_above for rule in every if rule.graded_above is not None]
    borders = sorted({border for rule in every for border in rule.borders})
    return LengthRule(tuple(borders), min(graded, default=None))


def _told_positions(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that are told positions and hold neither weights nor modules."""
    for part in module.modules():
        held = (*part._modules.values(), *part._parameters.values())
        if any(own is not None for own in held):
            continue
        if set(_ASKED) & set(_given(part)):
            yield part


def _given(part: nn.Module) -> tuple[str, ...]:
    """Return the names of what a module is given."""
    method = part.forward
    # Most parts of a model are of few classes.
    if "forward" not in vars(part) and isinstance(method, MethodType):
        return _names_of(method.__func__)[1:]
    return tuple(inspect.signature(method).parameters)


@lru_cache(maxsize=1024)
def _names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return what a function of a class is given, the module first."""
    return tuple(inspect.signature(function).parameters)


def _copy(part: nn.Module) -> nn.Module:
    config = getattr(part, "config", None)
    return copy.deepcopy(part, {id(config): config})


def _made(part: nn.Module) -> nn.Module | None:
    """Return a copy that computes; one without memory is made anew, None where that fails."""
    if not any(buffer.is_meta for buffer in part.buffers()):
        return _copy(part)
    try:
        with quiet(), torch.device("cpu"):
            made: nn.Module = type(part)(getattr(part, "config", None))
    except Exception:
        return None
    return made


def _kinds(part: nn.Module) -> list[dict[str, Any]]:
    """Return what it is asked beside positions: the kinds of layers, where they differ."""
    types = getattr(part, "rope_type", None)
    if "layer_type" in _given(part) and isinstance(types, dict):
        return [{"layer_type": name} for name in types]
    return [{}]


def _rule(part: nn.Module, more: dict[str, Any], longest: int) -> LengthRule:
    """Return how the answer for the first positions depends on the last one."""
    known: dict[int, Tensor | None] = {}

    def first_of(length: int) -> Tensor | None:
        if length not in known:
            known[length] = _first_of(_copy(part), length, more)
        return known[length]

    def same(one: int, other: int) -> bool:
        first, second = first_of(one), first_of(other)
        return first is None or second is None or torch.equal(first, second)

    borders: list[int] = []
    length = _FEW + 1
    # Most answer alike at any length, and are asked twice.
    farthest = length << max(math.ceil(math.log2(longest / length)), 0)
    if first_of(farthest) is not None and same(length, farthest):
        return LengthRule()
    while length < longest:
        farther = 2 * length
        if same(length, farther):
            length = farther
            continue
        border = length
        while farther - border > 1:
            middle = (border + farther) // 2
            border, farther = (middle, farther) if same(length, middle) else (border, middle)
        borders.append(border)
        if not same(border + 1, border + 2):
            return LengthRule(tuple(borders), border)
        length = border + 1
    return LengthRule(tuple(borders))


def _asked(part: nn.Module, length: int, more: dict[str, Any]) -> dict[str, Any]:
    """Return the input for a text of so many tokens, of which few are shown."""
    device = next((buffer.device for buffer in part.buffers()), torch.device("cpu"))
    places = torch.tensor([[*range(min(_FEW, length - 1)), length - 1]], device=device)
    given: dict[str, Any] = {**more, "x": torch.zeros(1, 1, 1, device=device)}
    if "position_ids" in _given(part):
        return {**given, "position_ids": places}
    return {**given, "seq_len": length}


def _first_of(part: nn.Module, length: int, more: dict[str, Any]) -> Tensor | None:
    answer = _answer(part, _asked(part, length, more))
    if answer is None or answer.dim() < 2 or answer.shape[-2] <= _FEW:
        return None
    return answer[..., :_FEW, :]


def _answer(part: nn.Module, given: dict[str, Any]) -> Tensor | None:
    """Return what a module gives, features side by side; None where it cannot be asked so."""
    names = _given(part)
    first = {names[0]: given["x"]} if names[0] not in _ASKED else {}
    call: Callable[..., Any] = part.forward
    rest = {name: value for name, value in given.items() if name != "x"}
    for turn in range(2):
        try:
            with torch.no_grad():
                found = call(**first, **rest)
        except Exception:
            # Positions in time, height and width have an axis more.
            if turn or "position_ids" not in rest:
                return None
            rest = {**rest, "position_ids": rest["position_ids"].expand(3, -1, -1)}
            continue
        return _features(found)
    return None


def _features(found: object) -> Tensor | None:
    """Return what such a module gave, features side by side; None where it is of another form."""
    parts = found if isinstance(found, tuple | list) else [found]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors or len({tensor.shape[:-1] for tensor in tensors}) > 1:
        return None
    return torch.cat(tensors, -1)
