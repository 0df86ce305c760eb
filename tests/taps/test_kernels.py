"""Which fused kernel is called, how, and when it is not trusted; played by stand-ins on the CPU.

No kernel of a GPU runs here. Their calls are bound to the operators of torch on tensors without
values, and their ways of laying out results are played by a plain softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from batches import inputs_for, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from reference import measure
from torch import Tensor

from cortexscope.taps import _attention_mode, _kernels
from cortexscope.taps._kernels import KERNELS, Kernel, attend, choose
from cortexscope.taps._mask import Mask

CPU, FLASH, EFFICIENT, CUDNN = KERNELS
META = torch.device("meta")


def a_mask(queries: int, keys: int, *, causal: bool = False, bias: Tensor | None = None) -> Mask:
    visible = torch.full((1, 1, queries), keys)
    return Mask(causal, bias, graded=False, visible=visible, first=None)


def tensors(
    *,
    heads: int = 6,
    groups: int = 2,
    queries: int = 37,
    keys: int = 37,
    width: int = 20,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = (heads, queries), (groups, keys), (groups, keys)
    query, key, value = (
        torch.randn(2, *shape, width, generator=generator).to(device, dtype) for shape in shapes
    )
    return query, key, value


def padding(prompts: int, queries: int, keys: int) -> Tensor:
    """Return a mask that hides the last keys of the first prompt."""
    bias = torch.zeros(prompts, 1, queries, keys)
    bias[0, ..., -9:] = -torch.inf
    return bias


def plain(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    groups = query.shape[1] // key.shape[1]
    key, value = (x.float().repeat_interleave(groups, 1) for x in (key, value))
    scores = query.float() @ key.mT * scale
    if causal:
        scores.masked_fill_(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    if bias is not None:
        scores = scores + bias.float()
    return (scores.softmax(-1) @ value).to(query.dtype), scores.logsumexp(-1)


class StandIn:
    """Plays a kernel on the CPU: computes plainly, lays out as it does, and keeps its calls."""

    def __init__(self, row: Kernel, *, lay: Callable[[Tensor], Tensor] = lambda lse: lse) -> None:
        self.calls: list[tuple[Tensor, Tensor, Tensor, Tensor | None, bool]] = []
        self.lay = lay
        self.kernel = replace(row, device="cpu", run=self._run, enabled=lambda: True)

    def _run(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        causal: bool,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        self.calls.append((query, key, value, bias, causal))
        output, lse = plain(query, key, value, bias, causal, scale)
        return output, self.lay(lse)


def padded_lse(lse: Tensor) -> Tensor:
    return torch.nn.functional.pad(lse, (0, -lse.shape[-1] % 32), value=torch.inf)


def stand_ins() -> dict[str, StandIn]:
    return {
        "flash": StandIn(FLASH),
        "memory-efficient": StandIn(EFFICIENT, lay=padded_lse),
        "cuDNN": StandIn(CUDNN, lay=lambda lse: lse[..., None]),
    }


def use(monkeypatch: pytest.MonkeyPatch, *players: StandIn) -> None:
    monkeypatch.setattr(_kernels, "KERNELS", tuple(player.kernel for player in players))


@pytest.mark.parametrize("row", KERNELS[1:], ids=lambda row: row.name)
def test_calls_fit_the_operators_of_torch(row: Kernel) -> None:
    query, key, value = tensors(dtype=torch.float16, device="meta")
    bias = padding(2, 37, 37).to("meta") if row.masked else None
    mask = a_mask(37, 37, causal=not row.masked, bias=bias)
    output, lse = attend(row, query, key, value, mask, 0.3)
    assert output.shape == (2, 6, 37, 20)
    assert lse.shape == (2, 6, 37)
    assert lse.dtype == torch.float32


def test_the_memory_efficient_operator_pads_the_log_sum_exp() -> None:
    query, key, value = tensors(groups=6, dtype=torch.float16, device="meta")
    assert EFFICIENT.run(query, key, value, None, True, 0.3)[1].shape == (2, 6, 64)
    assert CUDNN.run(query, key, value, None, True, 0.3)[1].shape == (2, 6, 37, 1)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (name, way)
        for name in ("flash", "memory-efficient", "cuDNN")
        for way in ("none", "causal", "bias")
        if (name, way) != ("flash", "bias")
    ],
)
def test_every_layout_gives_the_same_output_and_log_sum_exp(name: str, way: str) -> None:
    player = stand_ins()[name]
    query, key, value = tensors()
    bias = padding(2, 37, 37) if way == "bias" else None
    mask = a_mask(37, 37, causal=way == "causal", bias=bias)
    output, lse = attend(player.kernel, query, key, value, mask, 0.3)
    wanted, sums = plain(query, key, value, bias, way == "causal", 0.3)
    torch.testing.assert_close(output, wanted)
    torch.testing.assert_close(lse, sums)


@pytest.mark.parametrize("row", [EFFICIENT, CUDNN], ids=lambda row: row.name)
def test_tensors_are_laid_out_as_the_kernel_wants_them(row: Kernel) -> None:
    player = StandIn(row)
    query, key, value = tensors(width=20)
    query = query.mT.contiguous().mT
    bias = padding(2, 37, 37)
    attend(player.kernel, query, key, value, a_mask(37, 37, bias=bias), 0.3)
    ((given, keys, values, mask, _),) = player.calls
    assert given.shape == (2, 6, 37, 24)
    assert keys.shape == values.shape == (2, 6, 37, 24)
    assert torch.equal(keys[:, 4, :, :20], key[:, 1])
    assert all(x.stride(-1) == 1 for x in (given, keys, values))
    assert mask is not None
    assert mask.shape == (2, 6, 37, 37)
    assert mask.stride(-1) == 1
    assert all(stride % 16 == 0 for stride in mask.stride()[:-1])
    assert mask.dtype == query.dtype


def test_flash_gets_its_key_heads_unexpanded() -> None:
    player = StandIn(FLASH)
    query, key, value = tensors()
    attend(player.kernel, query, key, value, a_mask(37, 37, causal=True), 0.3)
    ((_, keys, _, mask, causal),) = player.calls
    assert keys.shape == (2, 2, 37, 24)
    assert mask is None
    assert causal


HALF = {"dtype": torch.bfloat16}
CASES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    (HALF, {"causal": True}, ["flash", "memory-efficient", "cuDNN"]),
    (HALF, {}, ["flash", "memory-efficient", "cuDNN"]),
    ({"dtype": torch.float16}, {}, ["flash", "memory-efficient", "cuDNN"]),
    (HALF, {"bias": padding(2, 37, 37)}, ["memory-efficient", "cuDNN"]),
    ({}, {"causal": True}, ["memory-efficient"]),
    ({}, {"bias": padding(2, 37, 37)}, ["memory-efficient"]),
    ({**HALF, "keys": 50}, {"causal": True}, ["memory-efficient"]),
    ({**HALF, "keys": 50}, {}, ["flash", "memory-efficient", "cuDNN"]),
    ({**HALF, "width": 192}, {}, ["flash", "memory-efficient"]),
    ({**HALF, "width": 320}, {}, ["memory-efficient"]),
    ({"dtype": torch.float64}, {}, []),
    ({**HALF, "heads": 5, "groups": 2}, {}, []),
]


@pytest.mark.parametrize(("shape", "mask", "names"), CASES)
def test_a_kernel_is_taken_only_for_tensors_that_suit_it(
    shape: dict[str, Any], mask: dict[str, Any], names: Sequence[str]
) -> None:
    query, key, _ = tensors(**shape)
    read = a_mask(query.shape[2], key.shape[2], **mask)
    rows = [replace(row, device="cpu") for row in KERNELS[1:]]
    assert [row.name for row in rows if row.suits(query, key, read)] == names
    assert not any(row.suits(query, key, read) for row in KERNELS[1:])


def test_a_kernel_that_the_user_switched_off_is_left_alone() -> None:
    query, key, _ = tensors()
    read = a_mask(37, 37)
    assert choose(query, key, read) is CPU
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert choose(query, key, read) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("way", ["none", "causal", "bias"])
def test_the_first_that_suits_and_is_right_is_chosen(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, way: str
) -> None:
    players = stand_ins()
    use(monkeypatch, *players.values())
    query, key, _ = tensors(dtype=dtype)
    bias = padding(2, 37, 37).to(dtype) if way == "bias" else None
    chosen = choose(query, key, a_mask(37, 37, causal=way == "causal", bias=bias))
    first = "flash" if dtype != torch.float32 and way != "bias" else "memory-efficient"
    assert chosen is players[first].kernel


WRONG: dict[str, Callable[[Tensor], Tensor]] = {
    "to the base 2": lambda lse: lse / torch.tensor(2.0).log(),
    "off by ln 2": lambda lse: lse + torch.tensor(2.0).log(),
    "of zeros": torch.zeros_like,
    "not a number": lambda lse: lse * torch.nan,
    "in another order": lambda lse: lse.flip(-1),
}


@pytest.mark.parametrize("lay", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_log_sum_exp_leads_to_the_next_kernel(
    monkeypatch: pytest.MonkeyPatch, lay: Callable[[Tensor], Tensor]
) -> None:
    wrong, right = StandIn(FLASH, lay=lay), StandIn(EFFICIENT)
    query, key, _ = tensors(dtype=torch.bfloat16)
    use(monkeypatch, wrong, right)
    assert choose(query, key, a_mask(37, 37)) is right.kernel
    use(monkeypatch, wrong)
    assert choose(query, key, a_mask(37, 37)) is None


def test_a_wrong_output_or_an_error_leads_to_the_next_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shifted(*args: Any) -> tuple[Tensor, Tensor]:
        output, lse = plain(*args)
        return output.roll(1, 2), lse

    def unable(*args: Any) -> tuple[Tensor, Tensor]:
        raise RuntimeError("No kernel image is available for this device.")

    query, key, _ = tensors()
    right = StandIn(EFFICIENT)
    rows = (replace(right.kernel, run=shifted), replace(right.kernel, run=unable), right.kernel)
    monkeypatch.setattr(_kernels, "KERNELS", rows)
    assert choose(query, key, a_mask(37, 37)) is right.kernel


def test_a_kernel_is_tried_once_for_each_kind_of_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    player = StandIn(EFFICIENT)
    use(monkeypatch, player)
    state = torch.random.get_rng_state()
    for _ in range(3):
        choose(*tensors()[:2], a_mask(37, 37))
    assert len(player.calls) == 1
    for _ in range(3):
        choose(*tensors(dtype=torch.bfloat16)[:2], a_mask(37, 37))
        choose(*tensors(keys=60)[:2], a_mask(37, 60))
    assert len(player.calls) == 2
    assert torch.equal(torch.random.get_rng_state(), state)


FAMILY_NAMES = ("llama", "gemma3_text", "bert", "t5", "deepseek_v3")


@pytest.mark.parametrize("name", ["memory-efficient", "as it is"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_what_is_measured_beside_the_model_equals_the_reference(
    monkeypatch: pytest.MonkeyPatch, family: str, name: str
) -> None:
    row = FAMILIES[family]
    model = tiny_model(family)
    batch = inputs_for(row, [41, 37, 9])
    with torch.no_grad():
        bare = model(**batch)[0]
    player = stand_ins().get(name)
    if player is not None:
        use(monkeypatch, player)
    monkeypatch.setattr(_attention_mode, "is_fusible", lambda *_, **__: False)
    monkeypatch.setattr(_attention_mode, "takes_native", lambda *_: False)
    heard: list[Tensor] = []
    with model.register_forward_hook(lambda *args: heard.append(args[-1][0])):
        found = measured(model, batch)
    assert torch.equal(heard[0], bare)
    for number, got in enumerate(found):
        wanted = measure(eager(model), row, row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-5) == len(got)
    if player is not None:
        assert len(player.calls) > 2


def test_where_no_kernel_is_right_the_scores_are_computed_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = StandIn(EFFICIENT, lay=WRONG["to the base 2"])
    use(monkeypatch, wrong)
    monkeypatch.setattr(_attention_mode, "is_fusible", lambda *_, **__: False)
    monkeypatch.setattr(_attention_mode, "takes_native", lambda *_: False)
    row = FAMILIES["llama"]
    model = tiny_model("llama")
    batch = inputs_for(row, [41, 37])
    for number, got in enumerate(measured(model, batch)):
        wanted = measure(eager(model), row, row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-5) == len(got)
    assert len(wrong.calls) == 1
