"""An author is told which metric is wrong, in what, and what to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cortexscope.metrics import (
    AttentionRows,
    HiddenStates,
    Layout,
    MeanOverNeurons,
    MeanOverRows,
    MeanOverStates,
    Metric,
    MetricOptions,
    MetricSpec,
    Seen,
    Site,
    State,
    Values,
    add,
)
from cortexscope.testing import check_metric

SPEC = MetricSpec(
    name="mean_norm",
    title="Mean norm",
    unit="hidden-state units",
    axes=("layer",),
    bounds=(0.0, None),
    needs=("hidden",),
    definition="Mean over tokens of the l2 norm of the hidden state.",
    source="a test",
)


class Right(MeanOverStates):
    """Return the mean norm."""

    spec = SPEC

    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms


class CountsPadding(Right):
    def update(self, state: State, site: Site, seen: Seen) -> State:
        if not self.takes(site, seen):
            return state
        assert isinstance(seen, HiddenStates)
        norms = seen.norms.nan_to_num(1.0).double()
        return add(state, site, {"total": norms.sum(-1), "count": seen.tokens.sum(-1).double()})


class KeepsFloat32(Right):
    def update(self, state: State, site: Site, seen: Seen) -> State:
        after = super().update(state, site, seen)
        return {place: {n: x.float() for n, x in sums.items()} for place, sums in after.items()}


class ChangesTheState(Right):
    def update(self, state: State, site: Site, seen: Seen) -> State:
        for sums in state.values():
            sums["total"].add_(1)
        return super().update(state, site, seen)


class ChangesWhatItSees(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.values.abs_().sum(-1)


class ForgetsTheReason(Metric):
    """Return the norm of all tokens but the first."""

    spec = SPEC

    def update(self, state: State, site: Site, seen: Seen) -> State:
        if type(seen) is not HiddenStates or site.layer is None:
            return state
        total = torch.where(seen.rest, seen.norms, 0).sum(-1, dtype=torch.float64)
        return add(state, site, {"total": total, "count": seen.rest.sum(-1).double()})

    def compute(self, state: State, layout: Layout) -> Iterator[Values]:
        for sites in layout.hidden:
            values = [state[site]["total"] / state[site]["count"] for site in sites]
            yield Values(sites, torch.stack(values), None)


class BelowItsBound(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.sums


class NoTokens(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms.mean(-1)


class EveryFeature(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.values


class NumbersForKeep(Right):
    def keep(self, seen: HiddenStates) -> Tensor:
        return seen.norms


class WrongAxes(Right):
    spec = replace(SPEC, axes=("layer", "head"))


class NoLayers(Right):
    spec = replace(SPEC, axes=())


class HeadsWithoutSaying(MeanOverRows):
    """Return the mean entropy."""

    spec = replace(SPEC, needs=("attention.entropy",))

    def value(self, seen: AttentionRows) -> Tensor | None:
        return seen.of("entropy")


class NeedsAnother(MeanOverNeurons):
    """Return the mean norm."""

    spec = SPEC

    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms


class BatchMean(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        mean = torch.where(seen.tokens, seen.norms, 0).sum() / seen.tokens.sum()
        return seen.norms / mean


class OneSumForAll(Right):
    def update(self, state: State, site: Site, seen: Seen) -> State:
        after = super().update(state, site, seen)
        return {place: {n: x.mean() for n, x in sums.items()} for place, sums in after.items()}


class DependsOnOrder(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms * torch.arange(1, len(seen.norms) + 1)[:, None]


class RemembersItself(Right):
    seen_before = 0

    def value(self, seen: HiddenStates) -> Tensor:
        self.seen_before += 1
        return seen.norms * self.seen_before


class Fails(Right):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms @ seen.values.flatten()


class NoSpec(MeanOverStates):
    def value(self, seen: HiddenStates) -> Tensor:
        return seen.norms


def test_a_metric_that_keeps_the_contract_passes() -> None:
    check_metric(Right(MetricOptions()))


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (CountsPadding, r"padding changes the values; let only positions in `seen\.tokens` count"),
        (KeepsFloat32, r"'total' is kept in torch\.float32; sums and counts are kept in .*float64"),
        (ChangesTheState, "update changes the state that it was given; return a new one"),
        (ChangesWhatItSees, "it changes what it is shown.*use no operation that works in place"),
        (ForgetsTheReason, r"undefined without a reason; say in `Values\.reason`"),
        (BelowItsBound, r"a value of -[0-9.]+ lies outside of the bounds \(0\.0, None\); correct"),
        (NoTokens, r"`value` gives .*shape \(3,\) and not one number a token, \[prompt, token\]"),
        (EveryFeature, r"`value` gives .*shape \(3, 12, 8\) and not one number a token"),
        (NumbersForKeep, r"`keep` gives a tensor of torch\.float32 .* and not True or False"),
        (WrongAxes, r"values have 2 axes and not 3; by the spec they are \[site, prompt, head\]"),
        (NoLayers, "spec's axes are .*one of a layer needs the axis 'layer'"),
        (
            HeadsWithoutSaying,
            r"values have 3 axes and not 2; by the spec they are \[site, prompt\]",
        ),
        (NeedsAnother, r"nothing at decoder .*name in `needs` what it reads \(it has hidden\)"),
        (BatchMean, "depends on which prompts share a batch.*reduce each prompt for itself"),
        (OneSumForAll, r"has the shape \(\) for 3 prompts; keep one row a prompt"),
        (DependsOnOrder, "which prompts share a batch, or in which order"),
        (Fails, "it fails on HiddenStates of decoder 0, in line [0-9]+: RuntimeError: size"),
        (RemembersItself, "other values when they are read again; keep what was seen in the state"),
    ],
)
def test_a_typical_mistake_is_named_with_what_to_do(metric: type[Metric], told: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)^mean_norm: .*{told}"):
        check_metric(metric(MetricOptions()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Mean Norm"}, "'Mean Norm' is not in snake case; write a name such as mean_norm"),
        ({"name": "attention"}, "'attention' stands for several metrics .*choose another name"),
        ({"title": " "}, "title is ' '; say it in words"),
        ({"definition": "Mean norm"}, "the definition is not a sentence; end it with a full stop"),
        ({"needs": ("hiden",)}, "needs 'hiden', which no tap shows; did you mean 'hidden'"),
        ({"needs": ("logits of all",)}, "which no tap shows; known: "),
        ({"needs": ()}, "it needs to see nothing; name in needs what it reads: hidden, final"),
        ({"axes": ("head",)}, "have heads and no layers; write"),
        ({"axes": ("head", "layer")}, r"not in order; write \('layer', 'head'\)"),
        ({"axes": ("layer", "bin", "expert")}, "'bin' and 'expert' would both be numbered"),
        ({"bounds": (1.0, 0.0)}, r"bounds \(1\.0, 0\.0\) are in the wrong order"),
        ({"version": 0}, "version is 0; versions count from 1"),
    ],
)
def test_a_faulty_spec_is_named_with_what_to_do(change: dict[str, Any], told: str) -> None:
    class Faulty(Right):
        spec = replace(SPEC, **change)

    with pytest.raises(AssertionError, match=told):
        check_metric(Faulty(MetricOptions()))


def test_a_metric_without_a_spec_is_told_to_have_one() -> None:
    with pytest.raises(AssertionError, match=r"NoSpec: it has no spec; set `spec = MetricSpec"):
        check_metric(NoSpec(MetricOptions()))


@pytest.mark.slow
def test_mistakes_are_found_where_nothing_is_checked_at_run_time() -> None:
    code = """
from metrics.test_check_metric import *
for change in (
    {"needs": "hidden"}, {"bounds": 0.0}, {"cost": "medium"}, {"replication": "token"}
):
    class Faulty(Right):
        spec = replace(SPEC, **change)
    try:
        check_metric(Faulty(MetricOptions()))
    except AssertionError as error:
        print(error)
for wrong in (Right, CountsPadding(MetricOptions())):
    try:
        check_metric(wrong)
    except AssertionError as error:
        print(error)
"""
    # Without `assert` and without the types that the tests check.
    found = subprocess.run(
        [sys.executable, "-O", "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    said = found.stdout.splitlines()
    assert len(said) == 6, found.stderr
    assert said[0] == "mean_norm: needs is 'hidden' and no tuple; write ('hidden',)"
    assert said[1].startswith("mean_norm: bounds are 0.0; write (lowest, highest)")
    assert said[2] == "mean_norm: cost is 'medium'; write 'low' or 'high'"
    assert said[3].startswith("mean_norm: replication is 'token'; write 'prompt' or 'task' or")
    assert "such as MyMetric(MetricOptions()), and was given <class" in said[4]
    assert said[5].startswith("mean_norm: padding changes the values; let only")
