"""When attention rows are read by the Triton kernel, and when not; a stand-in plays GPU and kernel.

What the kernel itself computes is held by `test_triton_rows.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from devices.stand_in import DEVICE, StandIn, stand_in
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from cortexscope.taps import ROWS, _triton_rows
from cortexscope.taps._attention_mode import AttentionMode
from cortexscope.taps._place import Place
from cortexscope.taps._statistics import Statistics
from cortexscope.taps._triton_rows import takes_triton

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there the kernel runs itself")
MODULE = "cortexscope.taps._triton_kernel"
FUSED = "_scaled_dot_product_efficient_attention"


class Player:
    """Plays the kernel: computes plainly what lies in memory, and counts its calls."""

    def __init__(self, sharper: float = 1.0) -> None:
        self.calls = 0
        self.sharper = sharper

    def __getitem__(self, grid: tuple[int, int, int]) -> Callable[..., None]:
        assert grid[0] == 1
        return self._run

    def _run(
        self,
        query: Any,
        key: Any,
        bias: Any,
        chosen: Any,
        entropy: Any,
        masses: Any,
        queries: int,
        keys: int,
        scale: float,
        *strides: int,
        **options: Any,
    ) -> None:
        self.calls += 1
        assert (queries, keys) == (query.shape[2], key.shape[2])
        turned = key.held.double().repeat_interleave(options["SHARING"], 1).mT
        scores = query.held.double() @ turned * scale * self.sharper
        if options["BIAS"]:
            scores = scores + bias.held.double()
        if options["CAUSAL"]:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
        found = scores.softmax(-1).nan_to_num(0.0)
        entropy.held.copy_(torch.special.entr(found).sum(-1))
        for number in range(options["CHOSEN"]):
            index: Tensor = chosen.held[number]
            mass = found.gather(-1, index.clamp(min=0)[..., None])[..., 0]
            masses.held[number] = mass.masked_fill(index < 0, 0)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    # What earlier tests found out is of another kernel.
    monkeypatch.setattr(_triton_rows, "_is_right", cache(_triton_rows._is_right.__wrapped__))
    with stand_in() as mode:
        yield mode


def use(monkeypatch: pytest.MonkeyPatch, kernel: object) -> None:
    monkeypatch.setitem(sys.modules, MODULE, SimpleNamespace(attention_rows=kernel))


def check_attention(*, padded: bool, tokens: int = 37) -> None:
    """Compare what an attention on the device is said to be with a softmax in float64."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, heads, tokens, 20, generator=generator) for heads in (6, 2, 2)
    )
    keep = torch.ones(2, tokens, dtype=torch.bool)
    keep[1, tokens // 2 :] = not padded
    seen = keep[:, None, None] & torch.ones(tokens, tokens, dtype=torch.bool).tril()
    found: list[tuple[Statistics, Tensor]] = []
    place = Place(keep.to(DEVICE), head_after_query=False, cross=False, sink=False, sample=None)
    mode = AttentionMode(
        tuple(ROWS.values()),
        place=lambda: place,
        receive=lambda rows, visible, _: found.append((rows, visible)),
        notes=lambda: None,
        hears=False,
    )
    with mode:
        scaled_dot_product_attention(
            query.to(DEVICE),
            key.to(DEVICE),
            value.to(DEVICE),
            seen.to(DEVICE) if padded else None,
            is_causal=not padded,
            enable_gqa=True,
        )
    scores = query.double() @ key.double().repeat_interleave(3, 1).mT * 20**-0.5
    wanted = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    ((rows, visible),) = found
    assert torch.equal(visible.cpu().expand(2, 1, -1), seen.sum(-1).expand(2, 1, -1))
    before = torch.zeros(wanted.shape[:3], dtype=torch.float64)
    before[..., 1:] = wanted.diagonal(-1, -2, -1)
    made = {
        "entropy": torch.special.entr(wanted).sum(-1),
        "first_key": wanted[..., 0],
        "first_token": wanted[..., 0],
        "previous_token": before,
    }
    assert rows.keys() == made.keys()
    for name, known in made.items():
        torch.testing.assert_close(rows[name].cpu().double(), known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("tokens", [37, 7])
def test_the_kernel_reads_attention_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, played: StandIn, tokens: int, padded: bool
) -> None:
    player = Player()
    use(monkeypatch, player)
    for calls in (2, 3):
        check_attention(padded=padded, tokens=tokens)
        # Once on an example, then once an attention.
        assert player.calls == calls
    assert not played.kernels


def unable(*_: object, **__: object) -> None:
    raise ValueError("no such instruction on this device")


@pytest.mark.parametrize("kernel", [None, {(1, 4, 2): unable}, Player(sharper=1.01)])
def test_where_it_is_missing_fails_or_is_wrong_all_is_read_as_without_it(
    monkeypatch: pytest.MonkeyPatch, played: StandIn, kernel: Any
) -> None:
    if kernel is None:
        monkeypatch.setitem(sys.modules, MODULE, None)
    else:
        use(monkeypatch, kernel)
    for _ in range(2):
        check_attention(padded=True)
    # The first was perhaps tried on an example before.
    assert played.kernels.count(FUSED) in (2, 3)
    if isinstance(kernel, Player):
        assert kernel.calls == 1


def test_other_tensors_are_left_to_torch(monkeypatch: pytest.MonkeyPatch, played: StandIn) -> None:
    use(monkeypatch, Player())
    query, key = (torch.ones(2, heads, 5, 20).to(DEVICE) for heads in (6, 2))
    assert takes_triton(query, key)
    assert not takes_triton(query.cpu(), key.cpu())
    assert not takes_triton(query.double(), key.double())
    assert not takes_triton(query, key.half())
    assert not takes_triton(query[:, :5], key)
    assert not takes_triton(query[..., :16], key)
    assert not takes_triton(query[:, :, :0], key)
