"""What every kind of edit must do: be taken back without a trace, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from cortexscope.interventions import Change, Reference

__all__ = ["check_intervention"]


class _Planned(Exception):
    """Raised on purpose in the middle of a change."""


def check_intervention(
    change: Change,
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    *,
    reference: Reference | None = None,
) -> Tensor:
    """Check a change on a model; return the model's output while it was applied.

    Its text gives an equal change; it changes the output while it is applied, or says truly that
    it cannot; afterwards weights, output, hooks and training mode are exactly as they were. So
    they are after an exception inside of the block, and after one at each single step of applying
    it. Twice in a row it does the same.

    Args:
        change: of the kind that is checked.
        module: the model.
        inputs: of one forward pass.
        reference: token ids that are read where the change needs some.

    Raises:
        AssertionError: if it does not; the message says what is left behind.
    """
    name = str(change)
    assert Change.of(name) == change, f"{name}: its text is not read back to an equal change"
    before = _trace(module, inputs)
    steps = 0

    def count(self: ExitStack, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        nonlocal steps
        steps += 1
        return real(self, *args, **kwargs)

    real = ExitStack.callback
    with patch.object(ExitStack, "callback", count), change.applied(module, reference=reference):
        pass
    _same(before, _trace(module, inputs), f"{name}: after it was applied")
    with change.applied(module, reference=reference):
        changed = _output(module, inputs)
    with change.applied(module, reference=reference):
        assert torch.equal(changed, _output(module, inputs)), f"{name}: twice it does not the same"
    _same(before, _trace(module, inputs), f"{name}: after two passes")
    assert steps, f"{name}: nothing was changed that could be taken back"
    try:
        with change.applied(module, reference=reference):
            _output(module, inputs)
            raise _Planned
    except _Planned:
        _same(before, _trace(module, inputs), f"{name}: after an exception inside")
    for step in range(steps):
        with patch.object(ExitStack, "callback", _failing(step)):
            try:
                with change.applied(module, reference=reference):
                    raise AssertionError(f"{name}: an exception at step {step} was swallowed")
            except _Planned:
                pass
        _same(before, _trace(module, inputs), f"{name}: after an exception at step {step}")
    return changed


def _failing(step: int) -> Callable[..., Any]:
    """Return what fails right after the callback of one step was taken."""
    real = ExitStack.callback
    left = step

    def fail(self: ExitStack, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        nonlocal left
        given = real(self, *args, **kwargs)
        left -= 1
        if left < 0:
            raise _Planned
        return given

    return fail


def _trace(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, object]:
    """Return all that a change could leave behind."""
    state = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return {
        "weights": state.hexdigest(),
        "tensors": [x.data_ptr() for x in (*module.parameters(), *module.buffers())],
        "hooks": [
            (path, len(part._forward_pre_hooks), len(part._forward_hooks), "forward" in vars(part))
            for path, part in module.named_modules()
        ],
        "training mode": [part.training for part in module.modules()],
        "output": _output(module, inputs).view(torch.uint8).cpu().numpy().tobytes(),
    }


def _same(before: dict[str, object], after: dict[str, object], when: str) -> None:
    for what, value in before.items():
        assert after[what] == value, f"{when}, the {what} of the model are not as they were"


def _output(module: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad():
        found = module(**inputs)
    logits = getattr(found, "logits", None)
    output: Tensor = found.last_hidden_state if logits is None else logits
    return output.contiguous()
