"""How far two ways of computing the same may lie apart, and how that is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from cortexscope.records import Finding, Site

__all__ = ["Error", "apart", "does_not_apply", "floor_of", "judged", "rounding_of", "tolerance_of"]

_TOLERANCES = {torch.float64: 1e-3, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.2}
"""Relative. Rounding of 2^-24 a step grows to 1e-5 in 30 layers of float32 and to 1e-4 where heads
are sharp; what a probe can get wrong moves values by far more. bfloat16 rounds at 2^-9 a step."""

_ROUNDINGS = {torch.float64: 1e-4, torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.1}
"""Relative, of one layer with its own input: some hundred times what one step rounds."""

_FLOORS = {torch.float64: 0.1, torch.float32: 0.1}
"""Below this size, 1 in half precision, a difference counts as if the value were of this size: a
head that is certain of one key has an entropy near zero, of which a share says nothing."""


class Error(NamedTuple):
    """How far one place is off."""

    site: Site | None
    figure: float
    what: str = ""
    """The metric or head, where there are several."""


def tolerance_of(dtype: torch.dtype) -> float:
    """Return the relative difference that rounding may make in a model of this dtype."""
    return _TOLERANCES.get(dtype, _TOLERANCES[torch.bfloat16])


def rounding_of(dtype: torch.dtype) -> float:
    """Return the relative difference that the rounding of a few steps may make."""
    return _ROUNDINGS.get(dtype, _ROUNDINGS[torch.bfloat16])


def floor_of(dtype: torch.dtype) -> float:
    """Return the size below which a difference is no longer counted as a share."""
    return _FLOORS.get(dtype, 1.0)


def apart(one: Tensor, other: Tensor, *, floor: float = 0.1) -> float:
    """Return the largest relative difference; infinite for other shapes or numbers not finite.

    Both being NaN at the same place is no difference.
    """
    if one.shape != other.shape:
        return float("inf")
    if not one.numel():
        return 0.0
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    same = (one == other) | (one.isnan() & other.isnan())
    difference = (one - other).abs() / (floor + other.abs())
    return float(difference.masked_fill(same, 0.0).nan_to_num(nan=torch.inf).max())


def judged(
    check: str, errors: Iterable[Error], tolerance: float | None, *, good: str, bad: str
) -> Finding:
    """Return the verdict: the first place that is too far off, or else the worst one.

    Args:
        check: its name.
        errors: of each place, in the order in which the model computes them.
        tolerance: largest figure that passes; None to pass any that is finite.
        good: one sentence for a check that passes.
        bad: one for one that fails; `{what}` is what was off.
    """
    found = list(errors)
    limit = float("inf") if tolerance is None else tolerance
    failed = [error for error in found if not error.figure <= limit or error.figure == float("inf")]
    shown = failed[0] if failed else max(found, key=lambda error: error.figure, default=None)
    site = None if shown is None else shown.site
    finite = (
        shown is not None and abs(shown.figure) != float("inf") and shown.figure == shown.figure
    )
    return Finding(
        check=check,
        passed=not failed,
        stack=None if site is None else site.stack,
        layer=None if site is None else site.layer,
        figure=shown.figure if shown is not None and finite else None,
        tolerance=tolerance,
        sentence=bad.format(what=failed[0].what) if failed else good,
    )


def does_not_apply(check: str, reason: str) -> Finding:
    """Return that a check says nothing about this model, and why."""
    return Finding(check=check, passed=None, sentence=reason)
