"""Compiled reductions of states, against float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cortexscope import native
from cortexscope.taps._sizes import lower_medians

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")

WIDTHS = [1, 7, 16, 100, 576, 1536]


def states(width: int, seed: int = 0) -> Tensor:
    found = 3 * torch.randn(3, 5, width, generator=torch.Generator().manual_seed(seed))
    found[0, 0, width // 2] = -1000
    return found


def read(values: Tensor, *names: str, **options: Any) -> dict[str, Tensor]:
    return native.row_sizes(native.Rows(values), names, **options)


@pytest.mark.parametrize("width", WIDTHS)
def test_sizes(width: int) -> None:
    values = states(width)
    found, wide = read(values, *native.SIZES), values.double()
    torch.testing.assert_close(found["sums"].double(), wide.sum(-1), rtol=1e-6, atol=1e-4)
    torch.testing.assert_close(found["sizes"].double(), wide.abs().sum(-1), rtol=1e-6, atol=0)
    torch.testing.assert_close(found["norms"].double(), wide.norm(dim=-1), rtol=1e-6, atol=0)
    assert torch.equal(found["largest"], values.abs().amax(-1))


@pytest.mark.parametrize("width", WIDTHS)
def test_central_moments(width: int) -> None:
    values = states(width)
    found = read(values, *native.MOMENTS)
    wide = values.double()
    apart = wide - wide.mean(-1, keepdim=True)
    torch.testing.assert_close(found["means"].double(), wide.mean(-1), rtol=1e-6, atol=1e-6)
    for name, power in (("seconds", 2), ("fourths", 4)):
        wanted = apart.pow(power).sum(-1)
        torch.testing.assert_close(found[name].double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_are_exact(width: int) -> None:
    values = states(width)
    values[values.abs() < 1] = 0.0
    names = (*native.SIZES, "zeros", "below", "relative")
    found = read(values, *names, threshold=2.5, share=0.7)
    assert torch.equal(found["below"], (values.abs() < 2.5).sum(-1).float())
    assert torch.equal(found["zeros"], (values == 0).sum(-1).float())
    bound = found["norms"] * (0.7 / width**0.5)
    assert torch.equal(found["relative"], (values.abs() < bound[..., None]).sum(-1).float())


@pytest.mark.parametrize("width", WIDTHS)
def test_products(width: int) -> None:
    left, right = states(width), states(width, seed=1)
    wanted = (left.double() * right.double()).sum(-1)
    scale = (left.double() * right.double()).abs().sum(-1)
    off = (read(left, "products", others=right)["products"].double() - wanted).abs() / scale
    assert off.max() < 1e-6


def of_prompts(values: Tensor, tokens: Tensor, **options: Any) -> native.PromptSizes:
    sizes = read(values, *native.SIZES)
    rest = tokens & (tokens.cumsum(-1) > 1)
    return native.prompt_sizes(
        values, tokens, rest, norms=sizes["norms"], largest=sizes["largest"], **options
    )


TOKENS = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]) > 0


@pytest.mark.parametrize("width", WIDTHS)
def test_peaks_are_the_first_of_the_largest_entries(width: int) -> None:
    values = states(width)
    values[1, 0] = 5000.0
    values[1, 2, width // 3] = values[1, 3, 0] = -2000.0
    found = of_prompts(values, TOKENS)
    assert found.peaks.tolist() == [1000.0, 2000.0, -1.0]
    assert found.peak_rows.tolist() == [0, 2, 0]
    assert found.peak_features.tolist()[:2] == [width // 2, width // 3]


@pytest.mark.parametrize("width", WIDTHS)
def test_resultants_are_of_states_of_length_1(width: int) -> None:
    values = states(width)
    values[0, 3] = 0.0
    found = of_prompts(values, TOKENS)
    for prompt, first in ((0, 0), (1, 1)):
        units = functional.normalize(values[prompt].double(), dim=-1)[TOKENS[prompt]]
        assert TOKENS[prompt].nonzero()[0] == first
        for got, sum_ in (
            (found.resultants, units.sum(0)),
            (found.resultants_rest, units[1:].sum(0)),
        ):
            assert float(got[prompt]) == pytest.approx(float(sum_.square().sum()), abs=1e-5)
    assert found.resultants[2] == found.resultants_rest[2] == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("least", [0.0, 100.0])
def test_massive_entries_are_counted_as_by_sorting(width: int, few: bool, least: float) -> None:
    chance = torch.Generator().manual_seed(width)
    values = torch.randn(3, 40, width, generator=chance).exp()
    if not few:
        values[:, :, : width // 3] *= 10_000
    values[:, 7, width // 2] = 3_000.0
    tokens = torch.rand(3, 40, generator=chance) < 0.8
    tokens[2] = False
    where = torch.stack(
        [mask.nonzero()[:9, 0] if mask.any() else torch.zeros(9) for mask in tokens]
    )
    where = where.long()
    taken = torch.ones(3, 9, dtype=torch.bool)
    taken[1, 6:] = taken[2] = False
    for times in (1.0, 20.0, 1000.0):
        asked = native.Massive(least, times, where, taken)
        found = of_prompts(values, tokens, massive=asked).massive
        assert found is not None
        median = lower_medians(values[torch.arange(3)[:, None], where], taken)
        bound = (times * median).clamp(min=least)[:, None, None]
        wanted = ((values.abs() > bound) & tokens[..., None]).sum((1, 2))
        assert found.tolist() == wanted.tolist()


def test_states_that_are_not_finite_have_a_peak_that_is_not() -> None:
    values = states(40)
    values[0, 1, 2], values[1, 2, 3] = torch.nan, torch.inf
    asked = native.Massive(1.0, 1.0, torch.tensor([[0], [1], [0]]), torch.ones(3, 1) > 0)
    found = of_prompts(values, TOKENS, massive=asked)
    assert found.peaks[0].isnan()
    assert found.peaks[1] == torch.inf
    assert found.massive is not None
    assert found.massive[:2].isinf().all()
    assert (int(found.peak_rows[0]), int(found.peak_features[0])) == (1, 2)
    assert found.resultants[:2].isnan().all()


def test_rows_that_do_not_lie_side_by_side_are_read_where_they_are() -> None:
    values = torch.randn(4, 6, 40, generator=torch.Generator().manual_seed(0))
    for view in (values[:, ::2], values[..., :30], values.transpose(1, 2), values[:, :0]):
        found, copied = (read(x, *native.SIZES) for x in (view, view.contiguous()))
        for name, one in found.items():
            assert torch.equal(one, copied[name])


def test_some_rows_are_read_where_they_are() -> None:
    values = torch.randn(3, 9, 40, generator=torch.Generator().manual_seed(0))
    where = torch.tensor([[0, 3, 8], [1, 1, 2], [8, 0, 5]])
    picked = values[torch.arange(3)[:, None], where]
    names = (*native.SIZES, *native.MOMENTS, "zeros", "below", "relative", "products")
    some, alone = (
        native.row_sizes(rows, names, threshold=0.5, share=0.3, others=others)
        for rows, others in (
            (native.Rows(values, where), values.flip(-1)),
            (native.Rows(picked), picked.flip(-1)),
        )
    )
    for name, one in some.items():
        assert torch.equal(one, alone[name])


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_stays_so(broken: float) -> None:
    values = states(40)
    values[1, 2, 3] = broken
    for found in read(values, *native.SIZES, *native.MOMENTS, "products", others=values).values():
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
            sizes = read(values, *native.SIZES)
            found.append([*sizes.values(), *of_prompts(values, torch.ones(8, 90) > 0)[:5]])
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)
