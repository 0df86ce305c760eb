"""The same weights once more, in a copy that returns what transformers knows of its inside."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from cortexscope.models import quiet
from cortexscope.records import Stack
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.taps import SOFTMAXES

__all__ = ["Matrices", "eager_matrices", "twin_output"]

_OUTPUTS: dict[Stack, str] = {
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


class Matrices(NamedTuple):
    """What transformers returns as the attention of a model, or why it returns none."""

    found: dict[Stack, list[Tensor | None]]
    """Usually [prompt, head, query, key] of each layer, None where a layer has none."""
    missing: str | None


class Output(NamedTuple):
    """What a copy of the model returned, or why it did not."""

    result: Any
    missing: str | None


def twin_output(subject: Subject, batch: Batch, returning: str, *, eager: bool) -> Output:
    """Return what a copy of the model returns; it shares the weights, and is gone afterwards.

    The user's model is not touched: asked for its hidden states, transformers would leave hooks
    in it.

    Args:
        subject: the model.
        batch: what it reads.
        returning: what is asked for, such as `output_attentions`.
        eager: whether attention is spelled out.
    """
    from transformers import PreTrainedModel

    if not subject.known:
        return Output(None, "it is no model of transformers, which would return it")
    if any(hasattr(part, "_hf_hook") for part in subject.module.modules()):
        return Output(None, "its weights are moved by accelerate while it runs")
    subject.switches.reset()
    shared = [*subject.module.parameters(), *subject.module.buffers()]
    try:
        twin = copy.deepcopy(subject.module, {id(tensor): tensor for tensor in shared})
        for part in twin.modules():
            if isinstance(part, PreTrainedModel) and eager:
                # Families that cannot be asked to change it still read it as they run.
                part.config._attn_implementation = "eager"
        called = twin.get_submodule(subject.anatomy.scope)
        with quiet(), _Floor() if eager else contextlib.nullcontext():
            return Output(subject.forward(batch, called, returning=(returning,)), None)
    except Exception as error:
        kind = type(error).__name__
        return Output(None, f"a copy of it does not run ({kind}: {str(error)[:80]})")


def eager_matrices(subject: Subject, batch: Batch) -> Matrices:
    """Return the attention matrices of the model, run by its own plain code.

    A key that can be seen keeps a probability above zero even where float32 would round it away,
    so that zero means hidden.
    """
    result, missing = twin_output(subject, batch, "output_attentions", eager=True)
    if missing is not None:
        return Matrices({}, missing)
    found = _by_stack(subject, batch, result)
    return Matrices(found, None if found else "transformers returns no attention of it")


def _by_stack(
    subject: Subject,
    batch: Batch,
    result: Any,  # noqa: ANN401 - as models return it
) -> dict[Stack, list[Tensor | None]]:
    single = len(subject.anatomy.stacks) == 1
    names = {subject.anatomy.stacks[0].name: "attentions"} if single else _OUTPUTS
    found: dict[Stack, list[Tensor | None]] = {}
    for stack, name in names.items():
        returned = getattr(result, name, None) or ()
        shape = batch.tokens_of(stack).shape
        matrices = [x if _has_rows(x, *shape) else None for x in returned]
        if any(x is not None for x in matrices):
            found[stack] = matrices
    return found


def _has_rows(found: Any, prompts: int, length: int) -> bool:  # noqa: ANN401 - whatever was returned
    """Return whether this can be attention; mixers return their states under the same name."""
    if not isinstance(found, Tensor) or found.dim() < 4:
        return False
    return found.dim() > 4 or (found.shape[0] == prompts and found.shape[2] >= length)


class _Floor(TorchFunctionMode):
    """Keeps every probability that is not exactly zero in float64 above zero."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function that was called returns
        result = func(*args, **(kwargs or {}))
        scores = args[0] if args else None
        if func not in SOFTMAXES or not isinstance(scores, Tensor):
            return result
        least = 1e-7 if scores.dtype == torch.float16 else 1e-37
        dim = (kwargs or {}).get("dim", args[1] if len(args) > 1 else -1)
        lost = (torch.softmax(scores.double(), dim) > 0) & (result == 0)
        return result.masked_fill(lost, least)
