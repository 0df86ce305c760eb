"""Read reference prompts for what an edit must know: means, norms, thresholds, another's value."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.interventions._gathering import GATHERS
from cortexscope.interventions._hooks import first_of
from cortexscope.interventions._target import Target
from cortexscope.models import find_switches, tokenizing
from cortexscope.registry import suggestion
from cortexscope.tasks import load_suite
from cortexscope.texts import shortened

__all__ = ["SUITE", "Prompts", "Readings", "Reference", "Wanted", "read"]

SUITE = "cognitive"
"""Read where nothing else is named."""

Readings = Mapping[str, Tensor]
"""What was read, by the name it was wanted under."""

Reference = Sequence[str] | Sequence[Sequence[int]]
"""Texts, or token ids where there is no tokenizer."""


class Prompts(NamedTuple):
    """Which prompts are read."""

    suite: str = SUITE
    task: str | None = None
    """Of one task only."""
    id: str | None = None
    """One prompt only."""


_WHOLE = Prompts()


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing to read."""

    path: str
    """The module that is watched."""
    side: Literal["input", "output"]
    gather: str
    """What becomes of it over all tokens of the prompts, one of `GATHERS`."""
    prompts: Prompts = _WHOLE


def read(
    target: Target, wanted: Mapping[str, Wanted], reference: Reference | None
) -> dict[str, Tensor]:
    """Return what is wanted of a model as it is now, which is left as it was.

    Each prompt is read by itself, so that nothing is padding.

    Args:
        target: the model.
        wanted: by a name.
        reference: read in place of whole suites.

    Raises:
        UsageError: if the prompts are not there, or nothing can make tokens of them.
    """
    found: dict[str, Tensor] = {}
    groups: dict[Prompts, dict[str, Wanted]] = {}
    for name, one in wanted.items():
        groups.setdefault(one.prompts, {})[name] = one
    for prompts, group in groups.items():
        whole = prompts.task is None and prompts.id is None
        texts = reference if whole and reference is not None else _texts(prompts)
        found.update(_read(target, group, _tokens(target, texts)))
    return found


def _texts(prompts: Prompts) -> list[str]:
    suite = load_suite(prompts.suite)
    rows = [row for row in suite.prompts if row.control is None]
    for kind, wanted, own in (
        ("task", prompts.task, [row.task for row in rows]),
        ("prompt", prompts.id, [row.id for row in rows]),
    ):
        if wanted is not None and wanted not in own:
            raise UnknownNameError(
                f"The suite {prompts.suite!r} has no {kind} {wanted!r}; "
                + suggestion(wanted, set(own))
            )
    return [
        row.text
        for row in rows
        if prompts.task in (None, row.task) and prompts.id in (None, row.id)
    ]


def _tokens(target: Target, texts: Reference) -> list[list[int]]:
    if isinstance(texts, str) or not len(texts):
        raise UsageError(
            "The reference of a change is a list of texts, or of token ids, with at least one item."
        )
    if len(target.anatomy.stacks) > 1:
        raise UsageError(
            f"{target.kind} has an encoder and a decoder, which read two texts, so that no "
            "reference prompts can be read; take parts out to zero instead."
        )
    rows = []
    for text in texts:
        if not isinstance(text, str):
            rows.append([int(token) for token in text])
        elif target.tokenizer is not None:
            with tokenizing("The model's tokenizer", repr(shortened(text, 60))):
                rows.append(list(target.tokenizer(text)["input_ids"]))
        else:
            raise UsageError(
                f"This change reads prompts, and {target.kind} came without a tokenizer; give the "
                "model that cortexscope.load_model returns, or reference= lists of token ids."
            )
    return [row for row in rows if row]


def _read(
    target: Target, wanted: Mapping[str, Wanted], rows: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    gathers = {name: GATHERS[one.gather]() for name, one in wanted.items()}
    unread = set(wanted)
    scope = target.part(target.anatomy.scope)
    named = (
        {"use_cache": False} if "use_cache" in inspect.signature(scope.forward).parameters else {}
    )
    switches = find_switches(target.module)
    with ExitStack() as exits, torch.no_grad(), _at_rest(target.module), switches.kept():
        for name, one in wanted.items():
            part = target.part(one.path)

            def take_input(module: nn.Module, args: Any, kwargs: Any, name: str = name) -> None:  # noqa: ANN401
                unread.discard(name)
                gathers[name].take(_entries(first_of(args, kwargs)))

            def take_output(
                module: nn.Module,
                args: Any,  # noqa: ANN401
                output: Any,  # noqa: ANN401
                name: str = name,
            ) -> None:
                unread.discard(name)
                gathers[name].take(_entries(first_of(output, {})))

            if one.side == "input":
                handle = part.register_forward_pre_hook(take_input, with_kwargs=True)
            else:
                handle = part.register_forward_hook(take_output)
            exits.callback(handle.remove)
        for row in rows:
            switches.reset()
            ids = torch.tensor([row], device=target.device)
            scope(ids, attention_mask=torch.ones_like(ids), **named)
    for name in wanted:
        if name in unread:
            raise target.refuse(
                wanted[name].path,
                "the model takes its weights without calling it, so that what "
                "it reads cannot be seen",
            )
    return {name: gather.result() for name, gather in gathers.items()}


def _entries(seen: Tensor | None) -> Float[Tensor, "token feature"]:
    assert seen is not None
    return seen.detach().flatten(0, -2)


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
