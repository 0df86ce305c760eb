"""The two demo models with their real weights, against eager attention in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from batches import padded
from eager import eager
from families import FAMILIES
from family import Family
from measured import outcomes
from reference import METRICS, measure

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.measure import attach
from cortexscope.models import LoadOptions, Model, load_model
from cortexscope.records import Prompt
from cortexscope.tasks import Suite, Task, load_suite

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", params=["demo-decoder", "demo-encoder"])
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(request.param)


EXACT = {"relative": 1e-9, "absolute": 1e-12}


def texts() -> list[str]:
    """Return natural texts from one word to some hundreds."""
    words = " ".join(prompt.text for prompt in load_suite("cognitive").prompts[:12]).split()
    ends = (1, 2, 3, 5, 9, 16, 24, 25, 30, 47, 90, 200, 330)
    return ["a", *(" ".join(words[:end]) for end in ends)]


def family_of(model: Model) -> Family:
    return FAMILIES["llama" if model.info.stack_kind == "decoder" else "bert"]


def numbers(frame: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    """Return the values that are not null, by prompt and key."""
    return {
        (name, *key): value
        for name, found in outcomes(frame).items()
        for key, value in found.items()
        if isinstance(value, float)
    }


def test_every_metric_equals_the_eager_float64_computation(model: Model, tmp_path: Path) -> None:
    prompts = tuple(
        Prompt(id=f"p{number}", task="reading", text=text)
        for number, text in enumerate(texts())
        if model.info.context is None or len(model.tokenizer(text).input_ids) <= model.info.context
    )
    finished = run(
        RunRequest(
            models=(model.info.model,),
            suite=Suite(name="lengths", version="1", tasks=(Task("reading", "any", prompts),)),
            metrics=METRICS,
            out=tmp_path / "run",
            settings=Settings(batch_tokens=400),
        )
    )
    got = outcomes(finished.measurements())
    twin = eager(model.module)
    for prompt in prompts:
        ids = model.tokenizer(prompt.text)["input_ids"]
        wanted = measure(twin, family_of(model), padded([ids]))
        compared = wanted.check(got[prompt.id], relative=1e-4, absolute=1e-6)
        assert compared == len(got[prompt.id])


def test_a_single_token_equals_the_eager_float64_computation(model: Model) -> None:
    ids = [model.tokenizer("house", add_special_tokens=False)["input_ids"][0]]
    with attach(model, metrics=METRICS) as probe, torch.no_grad():
        model.module(input_ids=torch.tensor([ids]))
    twin = eager(model.module)
    wanted = measure(twin, family_of(model), padded([ids]))
    (got,) = outcomes(probe.frame()).values()
    assert wanted.check(got, relative=1e-4, absolute=1e-6) == len(got)


def test_in_float64_all_metrics_are_those_of_the_eager_computation(model: Model) -> None:
    exact = load_model(model.info.model, LoadOptions(dtype="float64"))
    twin = eager(exact.module)
    for text in texts()[1::3]:
        ids = exact.tokenizer(text)["input_ids"]
        with attach(exact, metrics=METRICS) as probe, torch.no_grad():
            exact.module(input_ids=torch.tensor([ids]))
        (got,) = outcomes(probe.frame()).values()
        causal = model.info.stack_kind == "decoder"
        wanted = measure(twin, family_of(model), padded([ids]))
        # Eager Llama takes norms and softmax in float32 in any case, BERT nothing.
        tolerance = {"relative": 1e-5, "absolute": 1e-6} if causal else EXACT
        assert wanted.check(got, **tolerance, exact=not causal) == len(got)


def test_near_zero_entries_are_counted_exactly(model: Model) -> None:
    kept: list[torch.Tensor] = []

    def keep(module: object, args: object, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    blocks = model.module.base_model.get_submodule(family_of(model).blocks)
    handles = [block.register_forward_hook(keep) for block in blocks]
    ids = model.tokenizer(texts()[-1], return_tensors="pt")["input_ids"]
    with attach(model, metrics=["near_zero_fraction"]) as probe, torch.no_grad():
        model.module(input_ids=ids)
    for handle in handles:
        handle.remove()
    (got,) = outcomes(probe.frame()).values()
    stack = family_of(model).kind
    for layer, state in enumerate(kept, start=1):
        share = float((np.abs(state.numpy()) < np.float32(0.01)).mean())
        assert got["near_zero_fraction", stack, layer, None, None] == pytest.approx(
            share, rel=1e-12
        )


@pytest.mark.parametrize("tokens", [1, 24, 60, 300])
def test_outputs_are_bit_identical(model: Model, tokens: int) -> None:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1000, 20_000, (2, tokens), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, tokens // 2 + 1 :] = 0
    with torch.inference_mode():
        untouched = model.module(input_ids=ids, attention_mask=mask)[0]
        with attach(model):
            watched = model.module(input_ids=ids, attention_mask=mask)[0]
    assert torch.equal(untouched, watched)


def test_company_changes_nothing(model: Model) -> None:
    rows = [model.tokenizer(text)["input_ids"] for text in texts()[3:10]]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    names = [str(number) for number in range(len(rows))]
    with attach(model, metrics=METRICS) as together, torch.inference_mode():
        together.name(names)
        model.module(input_ids=ids, attention_mask=mask)
    with attach(model, metrics=METRICS) as alone, torch.inference_mode():
        for name, row in zip(names, rows, strict=True):
            alone.name([name])
            model.module(input_ids=torch.tensor([row]))
    one, other = (numbers(probe.frame()) for probe in (alone, together))
    assert one.keys() == other.keys()
    # The model's own matrix products round differently in a batch: with eager attention and nothing
    # watching, 2 of 1890 normalised entropies differ by more than 1e-5, at most by 1.4e-5.
    gaps = []
    for (name, metric, *place), value in one.items():
        gap = abs(other[name, metric, *place] - value)
        if metric in ("near_zero_fraction", "study.max_sparsity"):
            # An entry at the threshold may fall on its other side.
            assert gap * len(rows[int(name)]) * model.info.hidden_size < 1.5, (name, metric, *place)
        else:
            gaps.append(gap / max(abs(value), 0.1))
    assert max(gaps) < 3e-5
    assert sum(gap > 1e-5 for gap in gaps) < 3e-3 * len(gaps)
