"""Conformance checks that an extension's author runs; every built-in extension passes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from cortexscope.metrics.base.contract import check_spec, check_values, checked_update, expect
from cortexscope.metrics.base.metric import Layout, Metric, Seen, sampled
from cortexscope.metrics.base.states import State, concatenate
from cortexscope.records import MetricSpec, Site
from cortexscope.taps import (
    ROWS,
    AttentionInput,
    AttentionRows,
    AttentionSample,
    HeadOutputs,
    HiddenStates,
    LayerPredictions,
    MaskedPredictions,
    MaskedWordPredictions,
    Mixing,
    MLPInput,
    Neurons,
    Outcomes,
    Predictions,
    Routing,
    Text,
    Tokens,
    Update,
)

__all__ = ["check_metric"]

_LAYERS, _HEADS, _WIDTH, _EXPERTS = 2, 3, 8, 5

_NEEDS: dict[type, str] = {
    HiddenStates: "hidden",
    Neurons: "neurons",
    AttentionInput: "inputs.attention",
    HeadOutputs: "inputs.heads",
    MLPInput: "inputs.mlp",
    Update: "updates",
    AttentionSample: "attention.rows",
    Routing: "experts",
    LayerPredictions: "lens",
    MaskedPredictions: "masked",
    MaskedWordPredictions: "masked.word",
    Text: "text",
}
"""What shows each kind; a kind that is not here is always shown."""


def check_metric(metric: Metric) -> None:
    """Check that a metric keeps its contract, on made-up states and attention.

    Its spec is complete; it reads no more than the spec says that it needs; `update` is pure; the
    prompts of two batches measured apart and joined give what one batch gives; padding never
    counts; values lie within the spec's bounds, have the spec's axes, and are undefined only with
    a reason.

    Args:
        metric: with options, such as `MyMetric(MetricOptions())`.

    Raises:
        AssertionError: naming what does not hold, and what to do.
    """
    check_spec(metric)
    name = metric.spec.name
    lengths, longest = [12, 7, 1], 20
    if metric.spec.replication == "sequence":
        # Sequences that are generated have one length, and no padding.
        lengths, longest = [13, 13, 13], 13
    elif metric.spec.replication == "task":
        # Some say nothing of a few prompts.
        lengths = list(range(12, 0, -1))
    together = _measure(metric, lengths, longest=lengths[0])
    for found in metric.compute(together, _layout()):
        check_values(metric, found)
    again = _measure(metric, lengths, longest=lengths[0])
    expect(
        _same(metric, together, again),
        f"{name}: the same prompts give other values when they are read again; keep what was seen "
        "in the state, never in the metric itself, and use no chance",
    )
    padded = _measure(metric, lengths, longest=longest)
    expect(
        _same(metric, together, padded),
        f"{name}: padding changes the values; let only positions in `seen.tokens` count, as "
        "`cortexscope.metrics.total(values, seen.tokens)` does",
    )
    left = _measure(metric, lengths[:1], longest=lengths[0])
    right = _measure(metric, lengths[1:], longest=lengths[1], skip=1)
    expect(
        _same(metric, together, concatenate(left, right)),
        f"{name}: batches joined differ from one, so that a value depends on which prompts share "
        "a batch, or in which order; reduce each prompt for itself, never along the first axis",
    )
    for found in metric.compute(metric.start(), _layout()) if _can_be_unseen(metric) else ():
        expect(
            found.values is None,
            f"{name}: a value where nothing was seen; give `Values(sites, None, reason)` there",
        )
        expect(
            found.reason,
            f"{name}: nothing was seen and no reason is given; say why in `Values.reason`",
        )


def _can_be_unseen(metric: Metric) -> bool:
    return not {"hidden", "final"} & set(metric.spec.needs)


def _layout() -> Layout:
    blocks = tuple(Site("decoder", layer) for layer in range(1, _LAYERS + 1))
    return Layout(
        hidden=((Site("decoder", 0), *blocks),),
        blocks=(blocks,),
        attention=(blocks,),
        final=(Site.final("decoder"),),
    )


def _measure(metric: Metric, lengths: list[int], *, longest: int, skip: int = 0) -> State:
    """Return the state after made-up prompts; prompt number `skip + i` is always the same."""
    state = metric.start()
    for site, everything in _everything(lengths, longest, skip):
        seen = _needed(metric.spec, site, everything)
        if seen is not None:
            state = checked_update(metric, state, site, sampled(metric.spec, seen))
    return state


def _needed(spec: MetricSpec, site: Site, seen: Seen) -> Seen | None:
    """Return what a tap shows of this if nothing else is asked for; None for nothing."""
    if isinstance(seen, AttentionRows):
        asked = {
            name: row for name, row in seen.statistics.items() if f"attention.{name}" in spec.needs
        }
        return AttentionRows(seen.positions, seen.visible, asked) if asked else None
    if isinstance(seen, Predictions):
        return seen if {"predictions", "predictions.next"} & set(spec.needs) else None
    if isinstance(seen, Mixing):
        kept = seen if "mixers.state" in spec.needs else replace(seen, state_norm=None)
        return kept if {"mixers", "mixers.state"} & set(spec.needs) else None
    need = _NEEDS.get(type(seen))
    if type(seen) is HiddenStates and site.layer is None:
        need = "final"
    return seen if need is None or need in spec.needs else None


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
            yield site, _mixing(states(site, 53).abs(), positions)
            yield site, Neurons(states(site, 50), positions)
            yield site, AttentionInput(states(site, 54), positions)
            yield site, HeadOutputs(states(site, 55), positions)
            yield site, MLPInput(states(site, 56), positions)
            yield site, Update("attention", HiddenStates(states(site, 51), positions), before)
            yield site, Update("mlp", HiddenStates(states(site, 52), positions), before)
        yield site, seen
        before = seen
    (final,) = layout.final
    yield final, HiddenStates(states(final, 0), positions)
    for site in (*layout.hidden[0], final):
        # Numbers that are none of padding, as what is predicted there.
        yield from _predicted(states(site, 60), positions, site)


def _predicted(made: Tensor, positions: Tokens, site: Site) -> Iterator[tuple[Site, Seen]]:
    """Return made-up predictions: of a layer, or of the model."""
    # One row of numbers of either sign a token.
    nats, share = made.abs().unbind(-1)[:2]
    share = share.clamp(max=1)
    if site.layer is not None:
        rank = 1 + (nats * 50).round()
        undecided = 1.0 * (rank > 1) if site.layer < _LAYERS else 0 * rank
        yield site, LayerPredictions(positions, nats, share, rank, undecided)
        return
    followed = torch.zeros_like(positions.mask)
    followed[:, :-1] = positions.mask[:, 1:]
    yield site, Text(4.0 * positions.counts)
    yield site, MaskedPredictions(positions, nats)
    yield site, MaskedWordPredictions(positions, nats)
    yield site, Predictions(positions, nats, share, share / 2, nats, followed)


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
    outcomes = Outcomes(matrices, first=None, start=None, previous=-1)
    made = {name: row.of_outcomes(outcomes) for name, row in ROWS.items()}
    # The matrices have no sink, and so a column of theirs stands for one.
    made["learned_sink"] = matrices[..., 0]
    statistics = {name: row for name, row in made.items() if row is not None}
    yield site, AttentionRows(positions, (queries + 1)[None, None], statistics)
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


def _mixing(made: Tensor, positions: Tokens) -> Mixing:
    first = made.gather(1, positions.last[:, None, None].expand(-1, 1, made.shape[2]))[:, 0]
    return Mixing(positions, made[..., 0], made[..., 1].clamp(max=1), first.norm(dim=-1))


def _random(prompt: int, site: Site, salt: int) -> Tensor:
    layer = 99 if site.layer is None else site.layer
    generator = torch.Generator().manual_seed(1000 * prompt + 10 * layer + salt)
    return torch.randn(32, 32, generator=generator)


def _same(metric: Metric, left: State, right: State) -> bool:
    pairs = zip(metric.compute(left, _layout()), metric.compute(right, _layout()), strict=True)
    return all(
        one.values is not None
        and other.values is not None
        and torch.allclose(one.values, other.values, rtol=1e-9, atol=1e-12, equal_nan=True)
        for one, other in pairs
    )
