"""Rows of logits read by compiled code and by torch, against whole rows in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cortexscope import native
from cortexscope.native import LogitSums
from cortexscope.taps._distributions import Distributions, _read

WAYS = [
    pytest.param(
        native.read_logits,
        id="native",
        marks=pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it"),
    ),
    pytest.param(_read, id="torch"),
]
WIDTHS = [1, 2, 7, 16, 211, 1024, 1025, 5000]

Read = Callable[..., None]


def logits(width: int, seed: int = 0, members: int = 3, rows: int = 5) -> Tensor:
    made = torch.randn(members, rows, width, generator=torch.Generator().manual_seed(seed))
    return 4 * made - 90


def sums_of(read: Read, scores: Tensor, step: int, **options: Any) -> tuple[LogitSums, Tensor]:
    """Return what is read piece by piece, and the tokens in question."""
    tokens = torch.arange(scores.shape[1]) * 7 % scores.shape[-1]
    marks, base = options.get("marks"), options.get("base")
    sums = LogitSums.none(
        scores[0, :, 0],
        len(scores),
        second=True,
        marks=marks is not None,
        base=base is not None,
    )
    for start in range(0, scores.shape[-1], step):
        piece = scores[..., start : start + step]
        read(sums, start, piece.unbind(), tokens, marks=marks, base=base)
    return sums, tokens


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("step", [5, 1000, 10_000])
@pytest.mark.parametrize("width", WIDTHS)
def test_sums_are_those_of_whole_rows(read: Read, width: int, step: int) -> None:
    scores = logits(width)
    marks = logits(1, seed=1)[..., 0]
    found, tokens = sums_of(read, scores, step, marks=marks, base=1)
    wide = scores.double()
    below = wide - wide.amax(-1, keepdim=True)
    assert torch.equal(found.best, scores.amax(-1))
    assert torch.equal(found.top, scores.argmax(-1))
    assert found.second is not None
    if width > 1:
        assert torch.equal(found.second, scores.topk(2).values[..., 1])
    else:
        assert bool((found.second == -torch.inf).all())
    assert torch.equal(found.wanted, scores[:, torch.arange(5), tokens])
    torch.testing.assert_close(found.mass, below.exp().sum(-1), rtol=1e-6, atol=0)
    moment = (below.exp() * below).sum(-1)
    torch.testing.assert_close(found.moment, moment, rtol=1e-6, atol=1e-6)
    others = scores.clone()
    others[:, torch.arange(5), tokens] = -torch.inf
    assert found.above is not None
    assert torch.equal(found.above, (others > marks[..., None]).sum(-1))
    apart = (below[1].exp() * (wide[1] - wide)).sum(-1)
    assert found.apart is not None
    torch.testing.assert_close(found.apart, apart, rtol=1e-6, atol=1e-5)
    assert not found.apart[1].any()


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("step", [3, 50])
def test_the_first_of_equal_tokens_is_the_likeliest_and_the_other_the_second(
    read: Read, step: int
) -> None:
    scores = logits(50, members=1)
    scores[0, :, 9] = scores[0, :, 31] = 100.0
    found, _ = sums_of(read, scores, step)
    assert bool((found.top == 9).all())
    assert found.second is not None
    assert bool((found.second == 100).all())
    assert bool((found.mass == 2).all())


@pytest.mark.parametrize("read", WAYS)
def test_tokens_that_are_ruled_out_have_no_weight(read: Read) -> None:
    scores = logits(50)
    scores[:, :, :20] = -torch.inf
    found, _ = sums_of(read, scores, 7, base=0)
    kept, _ = sums_of(read, scores[..., 20:], 7, base=0)
    for name in ("best", "second", "mass", "moment", "apart"):
        torch.testing.assert_close(getattr(found, name), getattr(kept, name), rtol=1e-6, atol=1e-6)
    assert torch.equal(found.top, kept.top + 20)
    # What the base allows and another rules out lies infinitely far away.
    scores[1, :, 20:] = -torch.inf
    scores[1, :, 20] = 0.0
    found, _ = sums_of(read, scores, 50, base=0)
    assert found.apart is not None
    assert bool((found.apart[1] == torch.inf).all())


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
@pytest.mark.parametrize("place", [0, 33, 49])
def test_what_is_not_finite_stays_so(read: Read, broken: float, place: int) -> None:
    scores = logits(50)
    scores[1, 2, place] = broken
    found, _ = sums_of(read, scores, 20, base=0)
    bad = torch.zeros(3, 5, dtype=torch.bool)
    bad[1, 2] = True
    assert torch.equal(found.mass.isnan(), bad)
    assert torch.equal(found.moment.isnan(), bad)


@pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")
def test_rows_are_read_where_they_are_and_threads_change_no_bit() -> None:
    whole = logits(3000, members=4, rows=90)
    before = torch.get_num_threads()
    found = []
    try:
        for threads, scores in ((1, whole), (3, whole), (3, whole[..., :2001])):
            torch.set_num_threads(threads)
            found.append(sums_of(native.read_logits, scores, 1000, base=2)[0])
    finally:
        torch.set_num_threads(before)
    alone = sums_of(native.read_logits, whole[..., :2001].contiguous(), 1000, base=2)[0]
    for one, other in ((found[0], found[1]), (found[2], alone)):
        for name in ("best", "top", "second", "wanted", "mass", "moment", "apart"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_distributions_are_those_of_whole_rows() -> None:
    scores = logits(2000, members=3)
    tokens = torch.tensor([3, 0, 1999, 77, 1000])
    found = Distributions(tokens, members=3, base=2, second=True)
    for start in range(0, 2000, 700):
        found.see(start, scores[..., start : start + 700].unbind())
    logs = scores.double().log_softmax(-1)
    shares = logs.exp().sort(-1, descending=True).values
    torch.testing.assert_close(found.entropy, -(logs.exp() * logs).sum(-1), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.largest, shares[..., 0], rtol=1e-6, atol=0)
    margin = shares[..., 0] - shares[..., 1]
    torch.testing.assert_close(found.margin, margin, rtol=1e-6, atol=1e-9)
    wanted = logs[:, torch.arange(5), tokens]
    torch.testing.assert_close(found.log_probability, wanted, rtol=0, atol=1e-6)
    apart = (logs[2].exp() * (logs[2] - logs)).sum(-1)
    torch.testing.assert_close(found.divergence, apart, rtol=1e-6, atol=1e-6)
    assert not found.divergence[2].any()
    assert bool(found.known.all())


def test_float64_is_read_in_float64() -> None:
    scores = logits(300, members=2).double() + 1e-9
    found = Distributions(torch.zeros(5, dtype=torch.long), members=2, base=0)
    found.see(0, scores.unbind())
    logs = scores.log_softmax(-1)
    wanted = (logs[0].exp() * (logs[0] - logs)).sum(-1)
    torch.testing.assert_close(found.divergence, wanted, rtol=0, atol=1e-13)
