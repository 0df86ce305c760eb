"""What a metric has to keep of its contract, and what its author is told where it does not."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from cortexscope.metrics.base.means import Mean
from cortexscope.metrics.base.metric import Metric, Seen, Values
from cortexscope.metrics.base.pooled import OverPrompts
from cortexscope.metrics.base.spec import spec_fault
from cortexscope.metrics.base.states import State, Sums
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import HiddenStates

__all__ = [
    "check_column",
    "check_shape",
    "check_spec",
    "check_sums",
    "check_values",
    "checked_update",
    "expect",
]


def expect(holds: object, otherwise: str) -> None:
    """Raise an AssertionError where something does not hold, also where Python skips `assert`."""
    if not holds:
        raise AssertionError(otherwise)


def check_spec(metric: Metric) -> None:
    """Check that a metric has a complete spec."""
    kind = type(metric).__name__
    expect(
        isinstance(metric, Metric),
        f"check_metric takes a metric, such as MyMetric(MetricOptions()), and was given {metric!r}",
    )
    spec = getattr(metric, "spec", None)
    expect(
        isinstance(spec, MetricSpec),
        f"{kind}: it has no spec; set `spec = MetricSpec(...)` in the class",
    )
    fault = spec_fault(metric.spec)
    expect(fault is None, f"{metric.spec.name}: {fault}")
    expect(
        isinstance(metric, OverPrompts) == (metric.spec.replication == "task"),
        f"{metric.spec.name}: replication is {metric.spec.replication!r} and the class {kind}; "
        "metrics of whole tasks, and no others, inherit from OverPrompts",
    )


def checked_update(metric: Metric, state: State, site: Site, seen: Seen) -> State:
    """Return the state with what was seen added, where `update` does no more than that."""
    name, prompts = metric.spec.name, len(seen.tokens)
    before = {place: {key: x.clone() for key, x in sums.items()} for place, sums in state.items()}
    shown = [(x, x._version) for x in _tensors_of(seen)]
    try:
        if isinstance(metric, Mean):
            column = metric.column(site, seen)
            if column is not None:
                check_column(metric, *column)
        after = metric.update(state, site, seen)
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{name}: it fails on {type(seen).__name__} of {site.stack} {site.layer}"
            f"{_line(metric, error)}: {type(error).__name__}: {error}"
        ) from error
    unchanged = before.keys() == state.keys() and all(
        torch.equal(x, state[place][key])
        for place, sums in before.items()
        for key, x in sums.items()
    )
    expect(
        unchanged,
        f"{name}: update changes the state that it was given; return a new one, as "
        "`cortexscope.metrics.add(state, site, sums)` does",
    )
    expect(
        all(x._version == version for x, version in shown),
        f"{name}: it changes what it is shown, which other metrics read too; use no operation that "
        "works in place, such as `abs_` or `x[...] = y`",
    )
    for sums in after.values():
        check_sums(metric, sums, prompts)
        for key, x in sums.items():
            kept = (torch.float64, torch.float32 if key == "vector" else torch.float64)
            expect(
                x.dtype in kept,
                f"{name}: {key!r} is kept in {x.dtype}; sums and counts are kept in torch.float64, "
                "so that long prompts lose nothing",
            )
    return after


def check_sums(metric: Metric, sums: Sums, prompts: int) -> None:
    """Check that what is kept of a site has a row a prompt."""
    for key, x in sums.items():
        expect(
            x.dim() and len(x) == prompts,
            f"{metric.spec.name}: {key!r} has the shape {tuple(x.shape)} for {prompts} prompts; "
            "keep one row a prompt, with the prompt as the first axis",
        )


def _line(metric: Metric, error: Exception) -> str:
    """Return the line of the metric's own file where an error arose, empty if there is none."""
    file = getattr(sys.modules.get(type(metric).__module__), "__file__", None)
    steps = traceback.extract_tb(error.__traceback__)
    return next(
        (f", in line {step.lineno}" for step in reversed(steps) if step.filename == file), ""
    )


def _tensors_of(seen: Any) -> Iterator[Tensor]:  # noqa: ANN401 - any kind that a tap shows
    """Yield the tensors that something shown holds, and those of what it holds."""
    slots = is_dataclass(seen) and not hasattr(seen, "__dict__")
    names = [field.name for field in fields(seen)] if slots else list(vars(seen))
    for part in [getattr(seen, name) for name in names]:
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, Mapping):
            yield from (x for x in part.values() if isinstance(x, Tensor))
        elif isinstance(part, HiddenStates) and part is not seen:
            yield from _tensors_of(part)


def check_column(metric: Mean[Any], values: Tensor, tokens: Tensor, keep: Tensor | None) -> None:
    """Check the numbers of a mean before they are summed, which may hide a wrong shape."""
    name = metric.spec.name
    axes = "[prompt, head, token]" if metric.per_head else "[prompt, token]"
    heads = values.shape[1:2] if metric.per_head and isinstance(values, Tensor) else ()
    wanted = (len(tokens), *heads, tokens.shape[1])
    expect(
        isinstance(values, Tensor) and tuple(values.shape) == wanted,
        f"{name}: `value` gives {_form(values)} and not one number a token, {axes} = {wanted}",
    )
    if keep is not None:
        fits = isinstance(keep, Tensor) and keep.dtype == torch.bool and keep.dim() == len(wanted)
        fits = fits and all(
            size in (1, whole) for size, whole in zip(keep.shape, wanted, strict=True)
        )
        expect(fits, f"{name}: `keep` gives {_form(keep)} and not True or False for each of {axes}")


def _form(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {value.dtype} with the shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def check_values(metric: Metric, found: Values) -> None:
    """Check values against the spec: axes, bounds, and a reason where they are undefined."""
    spec = metric.spec
    name = spec.name
    values = found.values
    where = ", ".join(f"{site.stack} {site.layer}" for site in found.sites)
    expect(
        values is not None,
        f"{name}: there is nothing at {where}, though all that it needs was shown; name in `needs` "
        f"what it reads (it has {', '.join(spec.needs)})",
    )
    assert values is not None
    check_shape(metric, found)
    expect(
        spec.replication != "task" or values.shape[1] == 1,
        f"{name}: {values.shape[1]} values at {where}; a task has one value, so its values have "
        "a single prompt",
    )
    defined = values[~values.isnan()]
    expect(
        defined.numel() == values.numel() or found.reason,
        f"{name}: undefined without a reason; say in `Values.reason`, or in `undefined` of a mean, "
        "why there can be no value",
    )
    low, high = spec.bounds
    for value in (defined.amin(), defined.amax()) if defined.numel() else ():
        expect(
            (low is None or value >= low) and (high is None or value <= high),
            f"{name}: a value of {value.item():g} lies outside of the bounds {spec.bounds}; "
            "correct the formula or the bounds",
        )


def check_shape(metric: Metric, found: Values, prompts: int | None = None) -> None:
    """Check that values are arranged as the spec says.

    Args:
        metric: that gave them.
        found: its values.
        prompts: how many prompts they are of; any number where None.
    """
    spec = metric.spec
    name = spec.name
    expect(
        isinstance(found, Values) and found.sites and isinstance(found.values, Tensor | None),
        f"{name}: `compute` gives {_form(found)} and not `Values` of one or more sites",
    )
    values = found.values
    if values is None:
        return
    parts = tuple(axis for axis in spec.axes if axis != "layer")
    axes = f"[{', '.join(('site', 'prompt', *parts))}]"
    expect(
        values.dim() == 2 + len(parts),
        f"{name}: values have {values.dim()} axes and not {2 + len(parts)}; by the spec they are "
        f"{axes}",
    )
    expect(
        len(values) == len(found.sites),
        f"{name}: {len(values)} values for {len(found.sites)} sites; values are {axes}",
    )
    for site in found.sites:
        expect(
            (site.layer is not None) == ("layer" in spec.axes),
            f"{name}: a value at {site}, and the spec's axes are {spec.axes}; a value of the whole "
            "stack has no layer, one of a layer needs the axis 'layer'",
        )
    expect(
        prompts is None or values.shape[1] == prompts,
        f"{name}: values of {values.shape[1]} prompts, of which there are {prompts}; values are "
        f"{axes}",
    )
    given = None if found.tokens is None else tuple(found.tokens.shape)
    expect(
        given is None
        or all(own in (1, size) for own, size in zip(given, values.shape, strict=False)),
        f"{name}: the tokens behind the values have the shape {given} and the values "
        f"{tuple(values.shape)}; give one number a site and prompt",
    )
