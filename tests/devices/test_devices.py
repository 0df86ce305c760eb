"""What is measured of a model on a GPU is what is measured of it in memory.

Without a GPU a stand-in plays it: the same code runs, and the same mistakes are errors.
`benchmarks/gpu.sh` runs these tests on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from batches import Batch, inputs_for, row_of
from devices.stand_in import DEVICE, Away, StandIn, stand_in
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from panel import PANEL
from reference import measure, same

import cortexscope
from cortexscope.metrics import metric_specs

LENGTHS = [41, 37, 9, 1]
EVERY = [
    spec.name
    for spec in metric_specs()
    if spec.replication != "sequence" and not {"masked", "masked.word"} & {*spec.needs}
]
"""All that `attach` measures."""


def _quick(family: str) -> Any:
    """Leave most families to `make check`."""
    return family if family == "llama" else pytest.param(family, marks=pytest.mark.slow)


@pytest.fixture
def played() -> Iterator[StandIn | None]:
    """Let there be `cuda:0`; None where it is real."""
    if torch.cuda.is_available():
        yield None
        return
    with stand_in() as mode:
        yield mode


def on_device(batch: Batch) -> Batch:
    return {name: given.to(DEVICE) for name, given in batch.items()}


@pytest.mark.slow
@pytest.mark.parametrize("family", [_quick(family) for family in PANEL])
def test_all_metrics_are_those_of_the_cpu(family: str, played: StandIn | None) -> None:
    batch = inputs_for(FAMILIES[family], LENGTHS)
    known = measured(tiny_model(family), batch, metrics=EVERY)
    found = measured(tiny_model(family).to(DEVICE), on_device(batch), metrics=EVERY)
    # What names the largest of many can hang on the last bit of a sum.
    labels = {spec.name for spec in metric_specs() if spec.scale == "label"}
    for here, there in zip(known, found, strict=True):
        assert here.keys() == there.keys()
        for key, value in here.items():
            if key[0] not in labels:
                assert same(there[key], value, relative=1e-3, absolute=1e-5), key


@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("family", [_quick(f) for f in ("llama", "gemma3_text", "bert", "t5")])
def test_attention_equals_whole_matrices_in_float64(
    family: str, left: bool, played: StandIn | None
) -> None:
    row = FAMILIES[family]
    twin = eager(tiny_model(family))
    batch = inputs_for(row, LENGTHS, left=left)
    found = measured(tiny_model(family).to(DEVICE), on_device(batch))
    for number, got in enumerate(found):
        wanted = measure(twin, row, row_of(batch, number, padding=False))
        assert wanted.check(got, relative=1e-4, absolute=1e-5) == len(got)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "bert"])
def test_a_model_on_the_device_passes_its_own_checks(
    family: str, dtype: torch.dtype, played: StandIn | None
) -> None:
    model = tiny_model(family).to(DEVICE, dtype)
    findings = cortexscope.selfcheck(model)
    assert sum(found.passed is True for found in findings) > 5
    assert [found.sentence for found in findings if found.passed is False] == []


@pytest.mark.parametrize(
    ("dtype", "lengths", "kernel"),
    [
        (torch.float32, [37, 37], "_scaled_dot_product_efficient_attention"),
        (torch.float32, [37, 9], "_scaled_dot_product_efficient_attention"),
        (torch.bfloat16, [37, 37], "_scaled_dot_product_flash_attention"),
        (torch.bfloat16, [37, 9], "_scaled_dot_product_efficient_attention"),
    ],
)
def test_statistics_come_from_the_kernels_of_the_gpu(
    dtype: torch.dtype, lengths: list[int], kernel: str, played: StandIn | None
) -> None:
    if played is None:
        pytest.skip("a GPU does not say which kernels were called")
    batch = on_device(inputs_for(FAMILIES["llama"], lengths))
    measured(tiny_model("llama").to(DEVICE, dtype), batch)
    # One a layer; the first of a kind was tried on an example before, perhaps by another test.
    assert played.kernels.count(kernel) in (3, 4)


def test_a_stand_in_mixes_no_devices(played: StandIn | None) -> None:
    if played is None:
        pytest.skip("there is a GPU")
    here, there = torch.arange(3.0), torch.arange(3.0).to(DEVICE)
    assert isinstance(there, Away)
    assert there.device.type == "cuda"
    assert there.cpu().device.type == "cpu"
    assert torch.equal((there * 2).cpu(), here * 2)
    assert isinstance(torch.zeros(2, device=DEVICE), Away)
    for wrong in (
        lambda: here + there,
        lambda: torch.cat([there, here]),
        lambda: here[there.long()],
        lambda: torch.where(there > 0, here, 0),
        lambda: there.numpy(),
    ):
        with pytest.raises((RuntimeError, TypeError), match=r"same device|numpy"):
            wrong()
