"""Conformance checks that an extension's author runs; every built-in extension passes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from cortexscope.metrics._metric import Layout, Metric, Seen, Values, sampled
from cortexscope.metrics._states import State, concatenate
from cortexscope.records import Site
from cortexscope.taps import (
    NEEDS,
    AttentionRows,
    AttentionSample,
    HiddenStates,
    Neurons,
    Routing,
    Tokens,
    Update,
)

__all__ = ["check_metric"]

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
    for found in metric.compute(metric.start(), _layout()) if _can_be_unseen(metric) else ():
        assert found.values is None, f"{metric.spec.name}: a value where nothing was seen"
        assert found.reason, f"{metric.spec.name}: nothing was seen and no reason is given"


def _can_be_unseen(metric: Metric) -> bool:
    return not {"hidden", "final"} & set(metric.spec.needs)


def _check_spec(metric: Metric) -> None:
    spec = metric.spec
    name = spec.name
    assert re.fullmatch(r"([a-z]+\.)?[a-z][a-z0-9_]*", name), f"{name!r} is not in snake case"
    for field in ("title", "unit", "definition", "source"):
        assert getattr(spec, field).strip(), f"{name}: {field} is empty"
    assert spec.definition.endswith("."), f"{name}: the definition is not a sentence"
    assert "head" not in spec.axes or "layer" in spec.axes, f"{name}: heads without layers"
    assert list(spec.axes) == sorted(spec.axes, key=_rank), f"{name}: axes {spec.axes} not in order"
    further = set(spec.axes) - {"layer", "head"}
    assert len(further) <= 1, f"{name}: {sorted(further)} would both be numbered in `index`"
    unknown = set(spec.needs) - set(NEEDS)
    assert spec.needs, f"{name}: it needs to see nothing"
    assert not unknown, f"{name}: needs {sorted(unknown)}, which no tap shows"
    low, high = spec.bounds
    assert low is None or high is None or low < high, f"{name}: bounds {spec.bounds}"
    assert spec.version >= 1, f"{name}: version {spec.version}"


def _rank(axis: str) -> int:
    return {"layer": 0, "head": 1}.get(axis, 2)


def _layout() -> Layout:
    blocks = tuple(Site("decoder", layer) for layer in range(1, _LAYERS + 1))
    return Layout(
        hidden=((Site("decoder", 0), *blocks),),
        blocks=(blocks,),
        attention=(blocks,),
        final=(Site("decoder", None),),
    )


def _measure(metric: Metric, lengths: list[int], *, longest: int, skip: int = 0) -> State:
    """Return the state after made-up prompts; prompt number `skip + i` is always the same."""
    state = metric.start()
    for site, seen in _everything(lengths, longest, skip):
        state = _updated(metric, state, site, sampled(metric.spec, seen))
    return state


def _everything(lengths: list[int], longest: int, skip: int) -> Iterator[tuple[Site, Seen]]:
    positions = Tokens(torch.arange(longest) < torch.tensor(lengths)[:, None])
    layout = _layout()

    def states(site: Site, salt: int) -> Tensor:
        values = torch.full((len(lengths), longest, _WIDTH), torch.nan)
        for row, length in enumerate(lengths):
            values[row, :length] = _random(skip + row, site, salt)[:length, :_WIDTH] * 0.1
        return values

    before = None
    for site in layout.hidden[0]:
        seen = HiddenStates(states(site, 0), positions, before=before)
        if before is not None:
            whole = _attention(lengths, longest, site, skip)
            yield from _shown_attention(whole, positions, site)
            yield site, _routing(lengths, longest, site, positions.mask, skip)
            yield site, Neurons(states(site, 50), positions)
            yield site, Update("attention", HiddenStates(states(site, 51), positions), before)
            yield site, Update("mlp", HiddenStates(states(site, 52), positions), before)
        yield site, seen
        before = seen
    (final,) = layout.final
    yield final, HiddenStates(states(final, 0), positions)


def _attention(lengths: list[int], longest: int, site: Site, skip: int) -> Tensor:
    """Return matrices of causal attention, NaN where there is padding."""
    shape = (len(lengths), _HEADS, longest, longest)
    matrices = torch.full(shape, torch.nan, dtype=torch.float64)
    hidden = torch.ones(longest, longest).tril() == 0
    for row, length in enumerate(lengths):
        for head in range(_HEADS):
            scores = _random(skip + row, site, 1 + head)[:length, :length].double()
            scores = scores.masked_fill(hidden[:length, :length], -torch.inf)
            matrices[row, head, :length] = 0
            matrices[row, head, :length, :length] = scores.softmax(-1)
    return matrices


def _shown_attention(
    matrices: Tensor, positions: Tokens, site: Site
) -> Iterator[tuple[Site, Seen]]:
    longest = matrices.shape[-1]
    queries = torch.arange(longest)
    previous = matrices.diagonal(-1, dim1=-2, dim2=-1)
    rows = AttentionRows(
        positions,
        visible=(queries + 1)[None, None],
        entropy=torch.special.entr(matrices).sum(-1),
        first_key=matrices[..., 0],
        first_token=matrices[..., 0],
        previous_token=torch.nn.functional.pad(previous, (1, 0)),
        learned_sink=matrices[..., 0],
    )
    yield site, rows
    seen = queries <= queries[:, None]
    half = longest // 2
    # Whole rows come in parts.
    for part in (slice(0, half), slice(half, longest)):
        yield (
            site,
            AttentionSample(
                positions.part(part),
                queries[None, part],
                matrices[:, :, part],
                seen[None, None, part],
            ),
        )


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
            kept = (torch.float64, torch.float32 if name == "vector" else torch.float64)
            assert x.dtype in kept, f"{metric.spec.name}: {name} is kept in {x.dtype}"
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
    spec = metric.spec
    name = spec.name
    values = found.values
    assert values is not None, f"{name}: nothing at {found.sites}"
    parts = len([axis for axis in spec.axes if axis != "layer"])
    assert values.dim() == 2 + parts, f"{name}: values have {values.dim()} axes and not {2 + parts}"
    assert len(values) == len(found.sites), f"{name}: {len(values)} values at {found.sites}"
    for site in found.sites:
        assert (site.layer is not None) == ("layer" in spec.axes), f"{name}: {site}"
    defined = values[~values.isnan()]
    assert defined.numel() == values.numel() or found.reason, f"{name}: undefined without a reason"
    low, high = spec.bounds
    assert low is None or bool((defined >= low).all()), f"{name}: a value below {low}"
    assert high is None or bool((defined <= high).all()), f"{name}: a value above {high}"
