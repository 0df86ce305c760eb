"""Compiled reductions of states, against float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cortexscope import native
from cortexscope.taps._sizes import lower_medians

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")

WIDTHS = [1, 7, 16, 100, 576, 1536]


def states(width: int, seed: int = 0) -> Tensor:
    found = 3 * torch.randn(3, 5, width, generator=torch.Generator().manual_seed(seed))
    found[0, 0, width // 2] = -1000
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_sizes(width: int) -> None:
    values = states(width)
    found, wide = native.sizes(native.Rows(values)), values.double()
    torch.testing.assert_close(found.sums.double(), wide.sum(-1), rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(found.sizes.double(), wide.abs().sum(-1), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.norms.double(), wide.norm(dim=-1), rtol=1e-6, atol=0)
    assert torch.equal(found.largest, values.abs().amax(-1))


@pytest.mark.parametrize("width", WIDTHS)
def test_central_moments(width: int) -> None:
    values = states(width)
    found = native.central(native.Rows(values))
    wide = values.double()
    apart = wide - wide.mean(-1, keepdim=True)
    torch.testing.assert_close(found.means.double(), wide.mean(-1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.seconds.double(), apart.square().sum(-1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.fourths.double(), apart.pow(4).sum(-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_below_a_threshold_are_exact(width: int) -> None:
    values = states(width)
    values[values.abs() < 1] = 0.0
    limits = torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) * 4
    assert torch.equal(native.below(native.Rows(values), 2.5), (values.abs() < 2.5).sum(-1).float())
    assert torch.equal(
        native.below(native.Rows(values), limits),
        (values.abs() < limits[..., None]).sum(-1).float(),
    )
    assert torch.equal(
        native.below(native.Rows(values), 0.0, or_equal=True), (values == 0).sum(-1).float()
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_products(width: int) -> None:
    left, right = states(width), states(width, seed=1)
    wanted = (left.double() * right.double()).sum(-1)
    scale = (left.double() * right.double()).abs().sum(-1)
    off = (native.products(native.Rows(left), right).double() - wanted).abs() / scale
    assert off.max() < 1e-6


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_medians_are_those_of_sorted_entries(width: int, scale: float) -> None:
    values = scale * states(width)
    values[1, 3] = 0.0
    tokens = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]) > 0
    found = native.medians(native.Rows(values), tokens)
    for prompt in (0, 1):
        entries = values[prompt][tokens[prompt]].abs().flatten().sort().values
        assert found[prompt] == entries[(len(entries) - 1) // 2]
    assert found[2] == torch.inf
    assert torch.equal(found, lower_medians(values, tokens))
    where = torch.tensor([[4, 2], [1, 3], [0, 0]])
    some = native.medians(native.Rows(values, where), tokens[:, 1:3])
    picked = values[torch.arange(3)[:, None], where]
    assert torch.equal(some, lower_medians(picked, tokens[:, 1:3]))


def test_rows_that_do_not_lie_side_by_side_are_read_where_they_are() -> None:
    values = torch.randn(4, 6, 40, generator=torch.Generator().manual_seed(0))
    for view in (values[:, ::2], values[..., :30], values.transpose(1, 2), values[:, :0]):
        found, copied = (
            native.sizes(native.Rows(view)),
            native.sizes(native.Rows(view.contiguous())),
        )
        for one, other in zip(found, copied, strict=True):
            assert torch.equal(one, other)


def test_some_rows_are_read_where_they_are() -> None:
    values = torch.randn(3, 9, 40, generator=torch.Generator().manual_seed(0))
    where = torch.tensor([[0, 3, 8], [1, 1, 2], [8, 0, 5]])
    picked = values[torch.arange(3)[:, None], where]
    some, alone = native.Rows(values, where), native.Rows(picked)
    pairs = [
        *zip(native.sizes(some), native.sizes(alone), strict=True),
        *zip(native.central(some), native.central(alone), strict=True),
        (native.below(some, 0.5), native.below(alone, 0.5)),
        (native.products(some, values), native.products(alone, picked)),
        (native.below(some, picked[..., 0].abs()), native.below(alone, picked[..., 0].abs())),
    ]
    for one, other in pairs:
        assert torch.equal(one, other)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_stays_so(broken: float) -> None:
    values = states(40)
    values[1, 2, 3] = broken
    everything = (
        *native.sizes(native.Rows(values)),
        *native.central(native.Rows(values)),
        native.products(native.Rows(values), values),
    )
    for found in everything:
        finite = found.isfinite()
        assert not finite[1, 2]
        assert finite.sum() == finite.numel() - 1


def test_threads_change_no_bit() -> None:
    values = torch.randn(8, 90, 576, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(native.sizes(native.Rows(values)))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
