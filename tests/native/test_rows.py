"""Compiled statistics of attention rows, against a softmax in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cortexscope import native

pytestmark = pytest.mark.skipif(not native.is_there(), reason="cortexscope was built without it")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(
    query: Tensor, key: Tensor, bias: Tensor | None, *, causal: bool, scale: float
) -> Tensor:
    """Return the probabilities in float64."""
    key = key.double().repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = query.double() @ key.mT * scale
    if bias is not None:
        scores = scores + bias.double()
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1) > 0, -torch.inf)
    return scores.softmax(-1)


@pytest.mark.parametrize("sharp", [0.1, 1, 30])
@pytest.mark.parametrize(
    ("heads", "groups", "queries", "keys", "width"),
    [
        (6, 2, 45, 45, 64),
        (3, 3, 33, 47, 20),
        (4, 1, 1, 1, 3),
        (2, 2, 7, 300, 16),
        (8, 2, 270, 270, 5),
    ],
)
@pytest.mark.parametrize("way", ["all", "causal", "hidden", "graded"])
def test_rows_are_those_of_a_softmax_in_float64(
    way: str, heads: int, groups: int, queries: int, keys: int, width: int, sharp: float
) -> None:
    # Laid out as models do: the heads of a token side by side.
    query = sharp * normal(2, queries, heads, width).transpose(1, 2)
    key = normal(2, keys, groups, width, seed=1).transpose(1, 2)
    bias = None
    if way == "hidden":
        bias = torch.zeros(2, 1, queries, keys)
        bias.masked_fill_(normal(2, 1, queries, keys, seed=2) > 0.5, -torch.inf)[..., keys // 2] = 0
    elif way == "graded":
        bias = -torch.rand(1, heads, 1, keys, generator=torch.Generator().manual_seed(3))
    chosen = {
        "first": torch.zeros(1, 1, 1, dtype=torch.long),
        "before": (torch.arange(queries) - 1).clamp(max=keys - 1)[None, None],
        "by_prompt": torch.tensor([keys - 1, -1])[:, None, None],
    }
    scale = width**-0.5
    causal = way == "causal"
    found = native.attention_rows(
        query, key, bias, causal=causal, scale=scale, entropy=True, chosen=chosen
    )
    wanted = reference(query, key, bias, causal=causal, scale=scale)
    assert found.entropy is not None
    # The rounding of float32 scores, which grows with them.
    near = 2e-6 * max(1, sharp)
    torch.testing.assert_close(
        found.entropy.double(), torch.special.entr(wanted).sum(-1), rtol=near, atol=near
    )
    for name, index in chosen.items():
        there = index.clamp(min=0).expand(wanted.shape[:-1])[..., None]
        mass = wanted.gather(-1, there)[..., 0].masked_fill(index < 0, 0)
        torch.testing.assert_close(found.masses[name].double(), mass, rtol=near, atol=near)


@pytest.mark.parametrize("way", ["causal", "hidden"])
def test_some_rows_whole(way: str) -> None:
    query, key = normal(2, 6, 41, 16), normal(2, 3, 41, 16, seed=1)
    where = torch.tensor([[0, 7, 40], [40, 3, 3]])
    bias = None
    if way == "hidden":
        bias = torch.zeros(2, 1, 41, 41).masked_fill_(normal(2, 1, 41, 41, seed=2) > 1, -torch.inf)
    causal = way == "causal"
    found = native.whole_attention_rows(query, key, bias, causal=causal, scale=0.5, where=where)
    wanted = reference(query, key, bias, causal=causal, scale=0.5)
    for prompt in range(2):
        torch.testing.assert_close(
            found[prompt].double(), wanted[prompt][:, where[prompt]], rtol=2e-6, atol=2e-7
        )


def test_a_nearly_certain_row_keeps_its_digits() -> None:
    query = torch.tensor([[[[1.0]]]])
    for gap in (5.0, 20.0, 60.0, 100.0):
        key = torch.tensor([[[[0.0], [-gap]]]])
        found = native.attention_rows(
            query, key, None, causal=False, scale=1.0, entropy=True, chosen={}
        )
        scores = torch.tensor([0.0, -gap], dtype=torch.float64)
        wanted = torch.special.entr(scores.softmax(-1)).sum()
        assert found.entropy is not None
        assert found.entropy.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_mask_with_one_entry_for_all_keys_is_spread() -> None:
    query, key = normal(2, 2, 5, 8), normal(2, 2, 37, 8, seed=1)
    bias = torch.tensor([[-3.0], [2.0]])[:, :, None, None]
    whole = bias.expand(2, 2, 5, 37).contiguous()
    found = [
        native.attention_rows(
            query, key, own, causal=False, scale=0.5, entropy=True, chosen={}
        ).entropy
        for own in (bias, whole)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert torch.equal(found[0], found[1])


def test_even_rows_have_the_logarithm_of_their_keys() -> None:
    query, key = torch.zeros(1, 1, 3, 4), normal(1, 1, 37, 4)
    index = {"it": torch.full((1, 1, 1), 5)}
    found = native.attention_rows(
        query, key, None, causal=False, scale=1.0, entropy=True, chosen=index
    )
    assert found.entropy is not None
    torch.testing.assert_close(found.entropy, torch.full((1, 1, 3), 37.0).log())
    torch.testing.assert_close(found.masses["it"], torch.full((1, 1, 3), 1 / 37))


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_so(broken: float) -> None:
    query, key = normal(1, 1, 4, 8), normal(1, 1, 21, 8, seed=1)
    query[0, 0, 2, 3] = broken
    found = native.attention_rows(
        query, key, None, causal=False, scale=1.0, entropy=True, chosen={}
    )
    assert found.entropy is not None
    assert found.entropy.isfinite().tolist() == [[[True, True, False, True]]]


def test_a_row_that_sees_nothing_is_0_and_no_nan() -> None:
    query, key = normal(1, 1, 2, 8), normal(1, 1, 5, 8, seed=1)
    bias = torch.zeros(1, 1, 2, 5)
    bias[0, 0, 1] = -torch.inf
    found = native.attention_rows(
        query,
        key,
        bias,
        causal=False,
        scale=1.0,
        entropy=True,
        chosen={"first": torch.zeros(1, 1, 1, dtype=torch.long)},
    )
    assert found.entropy is not None
    assert found.entropy[0, 0, 1] == 0
    assert found.masses["first"][0, 0, 1] == 0
    assert found.entropy[0, 0, 0] > 0


def test_threads_change_no_bit() -> None:
    query, key = normal(3, 6, 130, 32), normal(3, 2, 130, 32, seed=1)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            rows = native.attention_rows(
                query, key, None, causal=True, scale=0.2, entropy=True, chosen={}
            )
            assert rows.entropy is not None
            found.append(rows.entropy)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_in_float32(dtype: torch.dtype) -> None:
    query, key = normal(1, 2, 9, 16).to(dtype), normal(1, 2, 9, 16, seed=1).to(dtype)
    halves = native.attention_rows(
        query, key, None, causal=True, scale=0.3, entropy=True, chosen={}
    )
    wholes = native.attention_rows(
        query.float(), key.float(), None, causal=True, scale=0.3, entropy=True, chosen={}
    )
    assert halves.entropy is not None
    assert wholes.entropy is not None
    assert torch.equal(halves.entropy, wholes.entropy)
