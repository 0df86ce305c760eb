"""Compiled reductions of whole attention rows, against torch in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cortexscope import native
from cortexscope.taps import AttentionSample, Tokens

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")

KEYS = [(("within", 16),), (("within", 3),)]


def sample(keys: int, *, start: Tensor | None = None, masks: int = 1) -> AttentionSample:
    """Return rows of two prompts and three heads, some queries of each."""
    chance = torch.Generator().manual_seed(keys)
    queries = torch.stack([torch.randperm(keys, generator=chance)[:5].sort().values] * 2)
    queries[1] = queries[1].flip(0)
    visible = torch.rand(masks, 1, queries.shape[1], keys, generator=chance) < 0.8
    visible[..., 0] = True
    scores = torch.randn(2, 3, queries.shape[1], keys, generator=chance)
    rows = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    tokens = torch.ones(queries.shape, dtype=torch.bool)
    tokens[1, -1] = False
    return AttentionSample(Tokens(tokens), queries, rows, visible, start)


def twin(seen: AttentionSample) -> AttentionSample:
    """Return the same in float64, which compiled code does not take."""
    wide = seen.probabilities.double()
    return AttentionSample(seen.positions, seen.queries, wide, seen.visible, seen.start)


@pytest.mark.parametrize("keys", [5, 16, 33, 200])
@pytest.mark.parametrize("window", KEYS)
@pytest.mark.parametrize("first", ["key 0", "elsewhere"])
def test_all_reductions_are_those_of_torch(keys: int, window: Any, first: str) -> None:
    start = None if first == "key 0" else torch.tensor([[2], [-1]])
    seen = sample(keys, start=start)
    seen.prepare(window)
    got = dict(seen.reductions)
    assert len(got) == 8
    wanted = twin(seen)
    wanted.prepare(window)
    assert not wanted.reductions
    for key, value in got.items():
        true = wanted.reduce(key)
        parts = [x if isinstance(x, tuple) else (x,) for x in (value, true)]
        for one, other in zip(*parts, strict=True):
            torch.testing.assert_close(
                one.double(), other.double().expand(one.shape), rtol=1e-5, atol=1e-6
            )


def test_masks_of_each_prompt_and_without_strides_are_read() -> None:
    seen = sample(40, masks=2)
    seen.visible = seen.visible[:, :, :1].expand(-1, -1, 5, -1)
    seen.prepare(KEYS[0])
    assert torch.equal(seen.counts, seen.visible.sum(-1))


def test_rows_that_are_no_numbers_stay_so() -> None:
    seen = sample(40)
    seen.probabilities[1, 2, 3, 7] = torch.nan
    seen.prepare(KEYS[0])
    for found in (seen.largest, seen.effective, seen.distance, seen.without_first.mass):
        assert found.isnan().nonzero().tolist() == [[1, 2, 3]]


def test_threads_change_no_bit() -> None:
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            seen = sample(9000)
            seen.prepare(KEYS[0])
            found.append((seen.largest, seen.distance, seen.received, seen.effective))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
