"""The Triton kernel of attention rows, against a softmax in float64.

On a GPU it runs there. Elsewhere Triton's interpreter runs it on the CPU, if TRITON_INTERPRET is 1
from the start.
"""

from __future__ import annotations

import importlib.util
import math
import os

import pytest
import torch
from torch import Tensor

from cortexscope.taps._triton_rows import triton_rows

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not there"),
    pytest.mark.skipif(
        not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1",
        reason="there is no GPU, and TRITON_INTERPRET is not 1",
    ),
    # Of numbers that a row which sees nothing has no use for; a GPU says nothing of them.
    pytest.mark.filterwarnings("ignore:(invalid value|All-NaN slice) encountered:RuntimeWarning"),
]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def normal(*shape: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return drawn.to(DEVICE)


def reference(
    query: Tensor, key: Tensor, bias: Tensor | None, *, causal: bool, scale: float
) -> Tensor:
    """Return the probabilities in float64; those of a row that sees nothing are 0."""
    key = key.double().repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = query.double() @ key.mT * scale
    if bias is not None:
        scores = scores + bias.double()
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    return scores.softmax(-1).nan_to_num(0.0)


def entropy_of(query: Tensor, key: Tensor, bias: Tensor | None = None) -> Tensor:
    found = triton_rows(query, key, bias, causal=False, scale=1.0, entropy=True, chosen={})
    assert found.entropy is not None
    return found.entropy


@pytest.mark.parametrize("sharp", [1, 30])
@pytest.mark.parametrize(
    ("heads", "groups", "queries", "keys", "width"),
    [(6, 2, 45, 45, 64), (3, 3, 33, 47, 20), (4, 1, 1, 1, 3), (2, 2, 7, 150, 80)],
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
        bias = torch.zeros(2, 1, queries, keys, device=DEVICE)
        bias.masked_fill_(normal(2, 1, queries, keys, seed=2) > 0.5, -torch.inf)[..., keys // 2] = 0
    elif way == "graded":
        bias = -normal(1, heads, 1, keys, seed=3).abs()
    places = torch.arange(queries, device=DEVICE)
    chosen = {
        "first": torch.zeros(1, 1, 1, dtype=torch.long, device=DEVICE),
        "before": (places - 1).clamp(max=keys - 1)[None, None],
        "by_prompt": torch.tensor([keys - 1, -1], device=DEVICE)[:, None, None],
    }
    scale, causal = width**-0.5, way == "causal"
    found = triton_rows(query, key, bias, causal=causal, scale=scale, entropy=True, chosen=chosen)
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_multiplied_exactly(dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and DEVICE.type == "cpu":
        pytest.skip("the interpreter multiplies the bits of bfloat16 as whole numbers")
    query, key = normal(2, 4, 70, 80).to(dtype), normal(2, 2, 90, 80, seed=1).to(dtype)
    bias = torch.zeros(2, 1, 1, 90, dtype=dtype, device=DEVICE)
    bias[1, ..., :50] = torch.finfo(dtype).min
    found = triton_rows(query, key, bias, causal=False, scale=0.2, entropy=True, chosen={})
    wanted = reference(query, key, bias, causal=False, scale=0.2)
    assert found.entropy is not None
    torch.testing.assert_close(
        found.entropy.double(), torch.special.entr(wanted).sum(-1), rtol=3e-6, atol=3e-6
    )


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("gap", [5.0, 20.0, 60.0, 80.0])
def test_a_nearly_certain_row_keeps_its_digits(gap: float, rising: bool) -> None:
    # Far apart, so that the largest score is in the first block of keys or in the last.
    scores = torch.full((150,), -gap, device=DEVICE)
    scores[-1 if rising else 0] = 0
    # In float64 the largest probability would be 1, and say nothing.
    others = 149 * math.exp(-gap)
    wanted = math.log1p(others) + others * gap / (1 + others)
    found = entropy_of(torch.ones(1, 1, 1, 1, device=DEVICE), scores[None, None, :, None])
    assert found.item() == pytest.approx(wanted, rel=1e-5, abs=0)


def test_keys_that_tie_share_the_row() -> None:
    query, key = torch.zeros(1, 1, 3, 4, device=DEVICE), normal(1, 1, 137, 4)
    index = {"it": torch.full((1, 1, 1), 5, device=DEVICE)}
    found = triton_rows(query, key, None, causal=False, scale=1.0, entropy=True, chosen=index)
    assert found.entropy is not None
    torch.testing.assert_close(found.entropy.cpu(), torch.full((1, 1, 3), 137.0).log())
    torch.testing.assert_close(found.masses["it"].cpu(), torch.full((1, 1, 3), 1 / 137))


def test_a_mask_with_one_entry_for_all_keys_is_spread() -> None:
    query, key = normal(2, 2, 5, 8), normal(2, 2, 37, 8, seed=1)
    bias = torch.tensor([[-3.0], [2.0]], device=DEVICE)[:, :, None, None]
    whole = bias.expand(2, 2, 5, 37).contiguous()
    assert torch.equal(entropy_of(query, key, bias), entropy_of(query, key, whole))


@pytest.mark.parametrize("hidden", [-torch.inf, torch.finfo(torch.float32).min])
def test_a_row_that_sees_nothing_is_0_and_no_nan(hidden: float) -> None:
    query, key = normal(1, 1, 2, 8), normal(1, 1, 85, 8, seed=1)
    bias = torch.zeros(1, 1, 2, 85, device=DEVICE)
    bias[0, 0, 1] = hidden
    index = {"first": torch.zeros(1, 1, 1, dtype=torch.long, device=DEVICE)}
    found = triton_rows(query, key, bias, causal=False, scale=1.0, entropy=True, chosen=index)
    assert found.entropy is not None
    assert found.entropy[0, 0, 1] == 0
    assert found.masses["first"][0, 0, 1] == 0
    assert found.entropy[0, 0, 0] > 0


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_not_finite_stays_so(broken: float) -> None:
    query, key = normal(1, 1, 4, 8), normal(1, 1, 91, 8, seed=1)
    query[0, 0, 2, 3] = broken
    assert entropy_of(query, key).isfinite().tolist() == [[[True, True, False, True]]]


def test_only_what_is_asked_for_is_given() -> None:
    query, key = normal(1, 2, 5, 16), normal(1, 2, 5, 16, seed=1)
    index = {"first": torch.zeros(1, 1, 1, dtype=torch.long, device=DEVICE)}
    found = triton_rows(query, key, None, causal=True, scale=0.3, entropy=False, chosen=index)
    assert found.entropy is None
    wanted = reference(query, key, None, causal=True, scale=0.3)[..., 0]
    torch.testing.assert_close(found.masses["first"].double(), wanted, rtol=2e-6, atol=0)
