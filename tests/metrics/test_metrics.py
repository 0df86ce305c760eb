"""Every metric keeps the contract; sums add up; the table and the folder agree."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import cortexscope.metrics
from cortexscope.errors import UnknownNameError
from cortexscope.metrics import METRICS, MetricOptions, make_metrics, metric_names
from cortexscope.metrics._table import GROUPS
from cortexscope.metrics.base.states import State, add, concatenate, merge, total
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Tokens
from cortexscope.testing import check_metric

SITE, OTHER = Site("decoder", 1), Site("decoder", 2)
numbers = arrays("float64", 3, elements=st.integers(-1000, 1000))


@pytest.mark.parametrize("name", METRICS.names())
def test_metric_keeps_the_contract(name: str) -> None:
    (metric,) = make_metrics([name], MetricOptions())
    check_metric(metric)
    assert metric.spec.name == name
    assert (type(metric).__doc__ or "").startswith("Return the ")


def test_every_file_of_the_folder_is_in_the_table() -> None:
    folder = Path(cortexscope.metrics.__file__).parent
    files = {path.stem for path in folder.glob("[!_]*.py")}
    rows = {row.split(":")[0] for group in GROUPS.values() for row in group.values()}
    assert files == rows


def test_a_misspelt_metric_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'residual_norm'"):
        metric_names(["residual_nrom"])


def test_names_come_once_and_in_the_order_of_the_table() -> None:
    asked = ["residual_norm", "attention_entropy", "residual_norm"]
    assert metric_names(asked) == ["attention_entropy", "residual_norm"]
    assert metric_names(["default"]) == metric_names()


@given(numbers, numbers, numbers)
def test_merging_is_commutative_and_associative(a, b, c) -> None:  # type: ignore[no-untyped-def]
    one = {SITE: {"total": torch.from_numpy(a)}}
    two = {SITE: {"total": torch.from_numpy(b)}, OTHER: {"total": torch.from_numpy(c)}}
    three = {OTHER: {"total": torch.from_numpy(a)}}

    def plain(state: State) -> dict[Site, list[float]]:
        return {site: sums["total"].tolist() for site, sums in state.items()}

    assert plain(merge(one, two)) == plain(merge(two, one))
    assert plain(merge(merge(one, two), three)) == plain(merge(one, merge(two, three)))
    assert plain(merge(one, {})) == plain(one)


def test_a_prompt_seen_in_two_pieces_has_the_value_of_the_whole() -> None:
    (metric,) = make_metrics(["residual_norm"], MetricOptions())
    states = torch.randn(2, 10, 4, generator=torch.Generator().manual_seed(0))
    every = torch.ones(2, 10, dtype=torch.bool)
    whole = metric.update({}, SITE, HiddenStates(states, Tokens(every)))
    pieces = metric.update({}, SITE, HiddenStates(states[:, :3], Tokens(every[:, :3])))
    pieces = metric.update(pieces, SITE, HiddenStates(states[:, 3:], Tokens(every[:, 3:])))
    for name in ("total", "count"):
        torch.testing.assert_close(pieces[SITE][name], whole[SITE][name], rtol=1e-12, atol=0)


def test_joining_keeps_prompts_in_order() -> None:
    left = add({}, SITE, {"count": torch.tensor([1.0, 2.0])})
    right = add({}, SITE, {"count": torch.tensor([3.0])})
    assert concatenate(left, right)[SITE]["count"].tolist() == [1, 2, 3]
    assert concatenate({}, right) == right


def test_a_total_skips_what_is_not_a_number_where_it_does_not_count() -> None:
    rows = torch.tensor([[1.0, torch.nan], [2.0, 3.0]])
    keep = torch.tensor([[True, False], [True, True]])
    assert total(rows, keep).tolist() == [1, 5]


def test_the_threshold_is_an_option() -> None:
    states = HiddenStates(torch.tensor([[[0.005, 0.05, 0.5]]]), Tokens(torch.tensor([[True]])))
    for threshold, share in ((0.01, 1 / 3), (0.1, 2 / 3)):
        (metric,) = make_metrics(["near_zero_fraction"], MetricOptions(near_zero=threshold))
        state = metric.update({}, SITE, states)
        assert (state[SITE]["total"] / state[SITE]["count"]).item() == pytest.approx(share)


def test_check_metric_finds_what_is_wrong() -> None:
    from cortexscope.metrics.residual_norm import ResidualNorm

    class CountsPadding(ResidualNorm):
        def update(self, state, site, seen):  # type: ignore[no-untyped-def]
            if not self.takes(site, seen):
                return state
            everything = seen.norms.nan_to_num(1.0).double()
            count = seen.tokens.sum(-1).double()
            return add(state, site, {"total": everything.sum(-1), "count": count})

    class KeepsFloat32(ResidualNorm):
        def update(self, state, site, seen):  # type: ignore[no-untyped-def]
            after = super().update(state, site, seen)
            return {s: {n: x.float() for n, x in sums.items()} for s, sums in after.items()}

    with pytest.raises(AssertionError, match="padding changes the values"):
        check_metric(CountsPadding(MetricOptions()))
    with pytest.raises(AssertionError, match=r"kept in torch\.float32"):
        check_metric(KeepsFloat32(MetricOptions()))
