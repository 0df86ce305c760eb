"""Heads that copy are found on sequences that are read twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from eager import eager
from torch import Tensor

from cortexscope import load_model
from cortexscope.engine.passes._reader import Reader
from cortexscope.engine.passes.sequences import Sequences, repeated_tokens
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Known, Layout
from cortexscope.metrics.base.states import State
from cortexscope.records import Site
from cortexscope.taps import AttentionSample, Tokens

NAMES = ("induction_score", "duplicate_token_score")
SITE, CROSS = Site("decoder", 1), Site("cross", 1)


def parts_of(matrix: Tensor, cuts: list[int]) -> Iterator[AttentionSample]:
    """Yield whole rows of one head and sequence, in parts."""
    length = len(matrix)
    positions, queries = Tokens(torch.ones(1, length, dtype=torch.bool)), torch.arange(length)
    for start, stop in zip([0, *cuts], [*cuts, length], strict=True):
        rows = slice(start, stop)
        visible = queries[rows, None] >= queries
        yield AttentionSample(
            positions.part(rows), queries[None, rows], matrix[None, None, rows], visible[None, None]
        )


def scores(matrix: Tensor, cuts: list[int]) -> dict[str, float]:
    layout = Layout(hidden=(), blocks=(), attention=((SITE,),), final=())
    found = {}
    for metric in make_metrics(NAMES, MetricOptions()):
        state: State = {}
        for part in parts_of(matrix, cuts):
            state = metric.update(state, SITE, part)
        (values,) = metric.compute(state, layout)
        assert values.values is not None
        found[metric.spec.name] = values.values.item()
    return found


def looking_back(length: int, back: int) -> Tensor:
    """Return a head that looks so many tokens back wherever it can, else at the first token."""
    places = torch.arange(length)
    return torch.nn.functional.one_hot((places - back).clamp(min=0), length).double()


@pytest.mark.parametrize("cuts", [[], [3], [1, 4, 7]], ids=str)
@pytest.mark.parametrize("length", [8, 9])
def test_heads_made_by_hand_have_the_scores_that_they_were_made_for(
    length: int, cuts: list[int]
) -> None:
    n = 4
    assert scores(looking_back(length, n - 1), cuts) == {NAMES[0]: 1, NAMES[1]: 0}
    wanted = {NAMES[0]: pytest.approx(1 / (length - n + 1)), NAMES[1]: 1}
    # Of the rows that have a key three back, it looks there in the fourth, at the first token.
    assert scores(looking_back(length, n), cuts) == wanted
    even = torch.ones(length, length).tril().double()
    even /= even.sum(1, keepdim=True)
    sizes = torch.arange(1, length + 1).double()
    assert scores(even, cuts) == {
        NAMES[0]: pytest.approx((1 / sizes[n - 1 :]).mean().item()),
        NAMES[1]: pytest.approx((1 / sizes[-n:]).mean().item()),
    }


def test_attention_to_another_text_has_a_reason() -> None:
    known = Known(attention=frozenset({SITE, CROSS}))
    layout = Layout(hidden=(), blocks=(), attention=((SITE,), (CROSS,)), final=(), known=known)
    for metric in make_metrics(NAMES, MetricOptions()):
        (part,) = parts_of(looking_back(9, 3), [])
        state = metric.update(metric.update({}, SITE, part), CROSS, part)
        cross = [found for found in metric.compute(state, layout) if found.sites[0] != SITE]
        assert [(found.sites, found.values) for found in cross] == [((Site("cross", None),), None)]
        assert cross[0].reason == "the keys are tokens of another text, which repeats nothing"


@pytest.mark.weights
def test_heads_of_the_demo_decoder_that_copy_stand_out() -> None:
    model = load_model("demo-decoder")
    frame = Sequences(Reader(model), make_metrics(NAMES, MetricOptions())).measure()[0].to_pandas()
    start = model.tokenizer.bos_token_id
    ids = repeated_tokens(
        model.tokenizer,
        vocabulary=model.info.vocabulary,
        context=model.info.context,
        start=start,
    )
    twin = eager(model.module)
    with torch.no_grad():
        matrices = twin(input_ids=ids, output_attentions=True, use_cache=False).attentions
    n = ids.shape[1] // 2
    wanted = {
        "induction_score": [m.diagonal(1 - n, dim1=-2, dim2=-1).mean((0, 2)) for m in matrices],
        "duplicate_token_score": [
            m.diagonal(-n, dim1=-2, dim2=-1)[..., -n:].mean((0, 2)) for m in matrices
        ],
    }
    for name in NAMES:
        rows = frame[frame["metric"] == name].sort_values(["layer", "head"])
        np.testing.assert_allclose(
            rows["value"].to_numpy(), torch.cat(wanted[name]).numpy(), rtol=1e-4, atol=1e-6
        )
        values = rows["value"].to_numpy()
        assert values.max() > 0.5 > 10 * np.median(values)
