"""What makes a spec complete and true to its form, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cortexscope.metrics._table import GROUPS
from cortexscope.records import MetricSpec
from cortexscope.registry import suggestion
from cortexscope.taps import NEEDS

__all__ = ["spec_fault"]

_SENTENCES = ("title", "unit", "definition", "source")
_CHOICES = {
    "cost": ("low", "high"),
    "replication": ("prompt", "task", "sequence"),
    "sampled": (True, False),
    "scale": ("number", "label"),
}
_RESERVED = (*GROUPS, "default", "all")


def spec_fault(spec: MetricSpec) -> str | None:
    """Return what is wrong with a spec first and what to do, None if nothing is."""
    return next(_faults(spec), None)


def _faults(spec: MetricSpec) -> Iterator[str]:
    name = spec.name
    if not isinstance(name, str) or not re.fullmatch(r"([a-z]+\.)?[a-z][a-z0-9_]*", name):
        yield f"{name!r} is not in snake case; write a name such as mean_norm"
    if name in _RESERVED:
        yield f"{name!r} stands for several metrics where one is asked for; choose another name"
    for field in _SENTENCES:
        text = getattr(spec, field)
        if not isinstance(text, str) or not text.strip():
            yield f"{field} is {text!r}; say it in words"
    if not spec.definition.endswith("."):
        yield "the definition is not a sentence; end it with a full stop"
    for field, choices in _CHOICES.items():
        value = getattr(spec, field)
        if value not in choices:
            yield f"{field} is {value!r}; write {' or '.join(map(repr, choices))}"
    for field in ("axes", "needs"):
        value = getattr(spec, field)
        if not isinstance(value, tuple):
            yield f"{field} is {value!r} and no tuple; write ({value!r},)"
    yield from _axis_faults(spec.axes)
    if not spec.needs:
        yield f"it needs to see nothing; name in needs what it reads: {', '.join(NEEDS)}"
    for need in spec.needs:
        if need not in NEEDS:
            yield f"it needs {need!r}, which no tap shows; {suggestion(need, NEEDS)}"
    if not isinstance(spec.bounds, tuple) or len(spec.bounds) != 2:
        yield f"bounds are {spec.bounds!r}; write (lowest, highest), with None where there is none"
    low, high = spec.bounds
    if low is not None and high is not None and not low < high:
        yield f"bounds {spec.bounds} are in the wrong order; write (lowest, highest)"
    if not isinstance(spec.version, int) or spec.version < 1:
        yield f"version is {spec.version!r}; versions count from 1"


def _axis_faults(axes: tuple[str, ...]) -> Iterator[str]:
    if "head" in axes and "layer" not in axes:
        yield f"axes {axes} have heads and no layers; write ('layer', 'head')"
    further = [axis for axis in axes if axis not in ("layer", "head")]
    if len(further) > 1:
        yield f"{' and '.join(map(repr, further))} would both be numbered in `index`; keep one axis"
    order = [axis for axis in ("layer", "head") if axis in axes] + further
    if list(axes) != order:
        yield f"axes {axes} are not in order; write {tuple(order)}"
