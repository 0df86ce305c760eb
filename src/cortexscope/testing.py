"""Conformance checks that an extension's author runs; every built-in extension passes them."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from cortexscope.metrics._metric import Known, Layout, Metric, Seen, Values
from cortexscope.metrics._states import State, concatenate
from cortexscope.records import Site
from cortexscope.taps import AttentionRows, HiddenStates, Routing

__all__ = ["check_metric"]

_NEEDS = {"hidden", "final", "attention.entropy", "attention.first_key", "experts"}
_AXES = ((), ("layer",), ("layer", "head"), ("layer", "expert"))
_LAYERS, _HEADS, _WIDTH, _EXPERTS = 2, 3, 8, 5


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps its contract, on made-up states and attention.

    Its spec is complete; `update` is pure; the prompts of two batches measured apart and joined
    give what one batch gives; padding never counts; values lie within the spec's bounds, have the
    spec's axes, and are undefined only with a reason.

    Raises:
        AssertionError: naming what does not hold.
    """
    _check_spec(metric)
    together = _measure(metric, [12, 7, 1], longest=12)
    padded = _measure(metric, [12, 7, 1], longest=20)
    assert _same(metric, together, padded), f"{metric.spec.name}: padding changes the values"
    left, right = _measure(metric, [12], longest=12), _measure(metric, [7, 1], longest=7, skip=1)
    joined = concatenate(left, right)
    assert _same(metric, together, joined), f"{metric.spec.name}: batches joined differ from one"
    for found in metric.compute(together, _layout()):
        _check_values(metric, found)
    for found in metric.compute(metric.start(), _layout()) if "hidden" not in _kind(metric) else ():
        assert found.values is None, f"{metric.spec.name}: a value where nothing was seen"
        assert found.reason, f"{metric.spec.name}: nothing was seen and no reason is given"


def _kind(metric: Metric) -> set[str]:
    return {need.partition(".")[0].replace("final", "hidden") for need in metric.spec.needs}


def _check_spec(metric: Metric) -> None:
    spec = metric.spec
    name = spec.name
    assert re.fullmatch(r"([a-z]+\.)?[a-z][a-z0-9_]*", name), f"{name!r} is not in snake case"
    for field in ("title", "unit", "definition", "source"):
        assert getattr(spec, field).strip(), f"{name}: {field} is empty"
    assert spec.definition.endswith("."), f"{name}: the definition is not a sentence"
    assert spec.axes in _AXES, f"{name}: axes {spec.axes} unknown"
    unknown = set(spec.needs) - _NEEDS
    assert spec.needs, f"{name}: it needs to see nothing"
    assert not unknown, f"{name}: needs {sorted(unknown)}, which no tap shows"
    low, high = spec.bounds
    assert low is None or high is None or low < high, f"{name}: bounds {spec.bounds}"
    assert spec.version >= 1, f"{name}: version {spec.version}"


def _layout() -> Layout:
    blocks = tuple(Site("decoder", layer) for layer in range(1, _LAYERS + 1))
    return Layout(
        hidden=((Site("decoder", 0), *blocks),),
        attention=(blocks,),
        experts=(blocks,),
        known=Known(attention=frozenset(), experts=frozenset()),
        final=(Site("decoder", None),),
    )


def _measure(metric: Metric, lengths: list[int], *, longest: int, skip: int = 0) -> State:
    """Return the state after made-up prompts; prompt number `skip + i` is always the same."""
    tokens = torch.arange(longest) < torch.tensor(lengths)[:, None]
    state = metric.start()
    layout = _layout()
    for site in (*layout.hidden[0], *layout.final):
        values = torch.full((len(lengths), longest, _WIDTH), torch.nan)
        for row, length in enumerate(lengths):
            values[row, :length] = _random(skip + row, site, 0)[:length, :_WIDTH] * 0.1
        state = _updated(metric, state, site, HiddenStates(values, tokens))
    for site in layout.attention[0]:
        seen = _attention(lengths, longest, site, tokens, skip)
        state = _updated(metric, state, site, seen)
        state = _updated(metric, state, site, _routing(lengths, longest, site, tokens, skip))
    return state


def _attention(
    lengths: list[int], longest: int, site: Site, tokens: Tensor, skip: int
) -> AttentionRows:
    entropy = torch.full((len(lengths), _HEADS, longest), torch.nan)
    first = entropy.clone()
    for row, length in enumerate(lengths):
        for head in range(_HEADS):
            scores = _random(skip + row, site, 1 + head)[:length, :length]
            hidden = torch.ones(length, length).tril() == 0
            weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
            entropy[row, head, :length] = torch.special.entr(weights).sum(-1)
            first[row, head, :length] = weights[:, 0]
    visible = torch.arange(1, longest + 1)[None, None]
    return AttentionRows(tokens=tokens, visible=visible, entropy=entropy, first_key=first)


def _routing(lengths: list[int], longest: int, site: Site, tokens: Tensor, skip: int) -> Routing:
    probabilities = torch.full((len(lengths), longest, _EXPERTS), torch.nan)
    for row, length in enumerate(lengths):
        scores = _random(skip + row, site, 100)[:length, :_EXPERTS]
        probabilities[row, :length] = scores.softmax(-1)
    chosen = probabilities.nan_to_num(0.0).topk(2, -1).indices
    slots = torch.nn.functional.one_hot(chosen, _EXPERTS).sum(-2)
    return Routing(tokens=tokens, experts=_EXPERTS, probabilities=probabilities, slots=slots)


def _random(prompt: int, site: Site, salt: int) -> Tensor:
    layer = 99 if site.layer is None else site.layer
    generator = torch.Generator().manual_seed(1000 * prompt + 10 * layer + salt)
    return torch.randn(32, 32, generator=generator)


def _updated(metric: Metric, state: State, site: Site, seen: Seen) -> State:
    before = {place: {name: x.clone() for name, x in sums.items()} for place, sums in state.items()}
    after = metric.update(state, site, seen)
    unchanged = before.keys() == state.keys() and all(
        torch.equal(x, state[place][name])
        for place, sums in before.items()
        for name, x in sums.items()
    )
    assert unchanged, f"{metric.spec.name}: update changes the state that it was given"
    for sums in after.values():
        for name, x in sums.items():
            assert x.dtype == torch.float64, f"{metric.spec.name}: {name} is kept in {x.dtype}"
    return after


def _same(metric: Metric, left: State, right: State) -> bool:
    pairs = zip(metric.compute(left, _layout()), metric.compute(right, _layout()), strict=True)
    return all(
        one.values is not None
        and other.values is not None
        and torch.allclose(one.values, other.values, rtol=1e-9, atol=1e-12, equal_nan=True)
        for one, other in pairs
    )


def _check_values(metric: Metric, found: Values) -> None:
    name = metric.spec.name
    values = found.values
    assert values is not None, f"{name}: nothing at {found.site}"
    axes = 1 + len({"head", "expert"} & set(metric.spec.axes))
    assert values.dim() == axes, f"{name}: values have {values.dim()} axes and not {axes}"
    assert (found.site.layer is not None) == ("layer" in metric.spec.axes), f"{name}: {found.site}"
    defined = values[~values.isnan()]
    assert defined.numel() == values.numel() or found.reason, f"{name}: undefined without a reason"
    low, high = metric.spec.bounds
    assert low is None or bool((defined >= low).all()), f"{name}: a value below {low}"
    assert high is None or bool((defined <= high).all()), f"{name}: a value above {high}"
