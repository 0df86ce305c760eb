"""Every metric of every family against whole matrices in float64."""

from __future__ import annotations

import pytest
import torch
from batches import inputs_for, row_of
from eager import eager
from families import FAMILIES, tiny_model
from measured import measured
from reference import measure

from cortexscope.measure import attach

pytestmark = pytest.mark.usefixtures("one_thread")

LENGTHS = [37, 33, 9, 2, 1]

WAYS = {"right": LENGTHS, "left": LENGTHS, "eager": LENGTHS, "few keys": LENGTHS[2:]}
"""Padding on one side or the other; attention spelled out; keys too few for the fused kernel."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_metric_equals_the_eager_computation(family: str, way: str) -> None:
    row = FAMILIES[family]
    model = tiny_model(family)
    left = way == "left"
    batch = inputs_for(row, WAYS[way], left=left)
    twin = eager(model, double=row.double)
    watched = eager(model, double=False) if way == "eager" else model
    for number, got in enumerate(measured(watched, batch)):
        # Where padding on the left changes what the tokens are, the reference has it too.
        inputs = row_of(batch, number, padding=left and row.shifted is not None)
        wanted = measure(twin, row, inputs)
        compared = wanted.check(got, relative=1e-4, absolute=1e-6 if row.double else 1e-5)
        assert compared == len(got)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_bit_identical(family: str) -> None:
    model = tiny_model(family)
    batch = inputs_for(FAMILIES[family], LENGTHS)
    with torch.no_grad():
        untouched = model(**batch)[0]
        with attach(model):
            watched = model(**batch)[0]
    assert torch.equal(untouched, watched)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["longformer", "xlnet", "albert", "gpt_oss", "t5"])
def test_a_metric_alone_has_the_values_it_has_in_company(family: str) -> None:
    model = tiny_model(family)
    batch = inputs_for(FAMILIES[family], LENGTHS)
    together = measured(model, batch)
    names = {key[0] for key in together[0]}
    for name in names:
        for alone, all_of_them in zip(
            measured(model, batch, metrics=[name]), together, strict=True
        ):
            assert alone == {k: v for k, v in all_of_them.items() if k[0] == name}
