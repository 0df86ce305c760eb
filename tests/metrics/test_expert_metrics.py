"""The metrics of experts agree with numpy on mixtures, and say why they have no value."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from batches import inputs_for, row_of
from eager import Routing as Routed
from eager import eager, watch
from families import FAMILIES, tiny_model
from measured import measured
from panel import WAYS, Case, agree
from reference import Outcome, Values

from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.records import Site
from cortexscope.taps import Routing

METRICS = (
    "expert_balance",
    "expert_load_variation",
    "expert_coactivation",
    "expert_coactivation_given",
    "router_top_mass",
)
MIXTURES = ("mixtral", "qwen2_moe", "gpt_oss", "deepseek_v3", "llama4_text")
ONE_EXPERT = "a token is sent to one expert only"


def entropy(shares: np.ndarray) -> float:
    return float(-sum(share * np.log(share) for share in shares if share > 0))


def given(routing: Routed) -> dict[int, Outcome]:
    """Return P(b | a) of each ordered pair, by a E + b, by going through the tokens."""
    experts = routing.scores.shape[1]
    sets = [{int(expert) for expert in slots} for slots in routing.chosen]
    found: dict[int, Outcome] = {}
    for a in range(experts):
        own = [chosen for chosen in sets if a in chosen]
        for b in range(experts):
            if a != b:
                found[a * experts + b] = (
                    sum(b in chosen for chosen in own) / len(own)
                    if own
                    else "no token is sent to the first expert"
                )
    return found


def of_layer(routing: Routed) -> dict[str, Outcome]:
    scores, chosen = routing
    tokens, experts = scores.shape
    load = np.bincount(chosen.ravel(), minlength=experts) / chosen.size
    pairs = Counter(pair for slots in chosen for pair in combinations(sorted(slots), 2))
    shares = np.array([*pairs.values()]) / max(1, sum(pairs.values()))
    possible = experts * (experts - 1) // 2
    return {
        "expert_balance": entropy(load) / np.log(experts),
        "expert_load_variation": float(load.std() / load.mean()),
        "expert_coactivation": entropy(shares) / np.log(possible) if pairs else ONE_EXPERT,
        "router_top_mass": float(scores[np.arange(tokens)[:, None], chosen].sum(-1).mean()),
    }


def reference(case: Case) -> Values:
    values: Values = {}
    for stack in (stack for stack in case.stacks if stack.states):
        for layer in range(1, stack.layers + 1) if stack.routing else [None]:
            found: dict[str, Outcome]
            if layer is None:
                found = dict.fromkeys(METRICS, "no experts")
            elif layer not in stack.routing:
                found = dict.fromkeys(METRICS, "no experts in this layer")
            else:
                found = of_layer(stack.routing[layer])
                values |= {
                    ("expert_coactivation_given", stack.name, layer, None, pair): value
                    for pair, value in given(stack.routing[layer]).items()
                }
            values |= {
                (metric, stack.name, layer, None, None): value for metric, value in found.items()
            }
    return values


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", MIXTURES)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_model_without_experts_says_so(family: str) -> None:
    assert agree(family, "right", METRICS, reference) > 0


@pytest.mark.parametrize("family", ["llama4_text", "mixtral"])
def test_where_a_token_has_one_expert_there_are_no_pairs(family: str) -> None:
    row = FAMILIES[family]
    assert row.experts is not None
    row = replace(row, experts=replace(row.experts, per_token=1))
    model = tiny_model(family, num_experts_per_tok=1)
    batch = inputs_for(row, [20, 3])
    for number, got in enumerate(measured(model, batch, metrics=METRICS)):
        case = Case(eager(model), row, row_of(batch, number, padding=False), None)
        wanted = reference(case)
        assert ONE_EXPERT in wanted.values()
        assert got == {
            key: value if isinstance(value, str) else pytest.approx(value, rel=1e-4)
            for key, value in wanted.items()
        }


def test_in_bfloat16_the_mass_is_within_two_hundredths() -> None:
    row = FAMILIES["mixtral"]
    model = tiny_model("mixtral").to(torch.bfloat16)
    batch = inputs_for(row, [37, 33])
    for number, got in enumerate(measured(model, batch, metrics=["router_top_mass"])):
        inputs = row_of(batch, number, padding=False)
        (stack,) = watch(eager(model), row, inputs)
        for layer, routing in stack.routing.items():
            wanted = of_layer(routing)["router_top_mass"]
            key = ("router_top_mass", "decoder", layer, None, None)
            assert got[key] == pytest.approx(wanted, abs=0.02)


def outcomes(
    slots: list[list[int]] | None, *, probabilities: list[list[float]] | None = None, experts: int
) -> dict[str, Outcome]:
    """Measure one made-up prompt."""
    site = Site("decoder", 1)
    count = len(slots or probabilities or [])
    seen = Routing(
        tokens=torch.ones(1, count, dtype=torch.bool),
        experts=experts,
        probabilities=None if probabilities is None else torch.tensor([probabilities]),
        slots=None if slots is None else torch.tensor([slots]),
    )
    layout = Layout(hidden=(), blocks=((site,),), attention=(), final=())
    found: dict[str, Outcome] = {}
    single = [name for name in METRICS if name != "expert_coactivation_given"]
    for metric in make_metrics(single, MetricOptions()):
        (values,) = metric.compute(metric.update(metric.start(), site, seen), layout)
        assert values.values is not None
        value = float(values.values)
        found[metric.spec.name] = values.reason or "" if np.isnan(value) else value
    return found


def test_values_that_can_be_checked_by_head() -> None:
    even = outcomes([[1, 1, 0, 0], [0, 0, 1, 1]], probabilities=[[0.25] * 4] * 2, experts=4)
    assert even == pytest.approx(
        {
            "expert_balance": 1,
            "expert_load_variation": 0,
            "expert_coactivation": np.log(2) / np.log(6),
            "router_top_mass": 0.5,
        }
    )
    three = [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    certain = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
    assert outcomes(three, probabilities=certain, experts=3) == pytest.approx(
        {
            "expert_balance": 1,
            "expert_load_variation": 0,
            "expert_coactivation": 1,
            "router_top_mass": 1,
        }
    )
    always = outcomes([[0, 1, 0, 0, 0]] * 7, probabilities=[[0.2] * 5] * 7, experts=5)
    assert always["expert_balance"] == 0
    assert always["expert_load_variation"] == pytest.approx(2)
    assert always["expert_coactivation"] == ONE_EXPERT


def pairs_of(slots: list[list[int]] | None, *, experts: int) -> tuple[dict[int, float], str | None]:
    site = Site("decoder", 1)
    seen = Routing(
        tokens=torch.ones(1, 1 if slots is None else len(slots), dtype=torch.bool),
        experts=experts,
        probabilities=None,
        slots=None if slots is None else torch.tensor([slots]),
    )
    (metric,) = make_metrics(["expert_coactivation_given"], MetricOptions())
    layout = Layout(hidden=(), blocks=((site,),), attention=(), final=())
    (values,) = metric.compute(metric.update(metric.start(), site, seen), layout)
    assert values.values is not None
    numbers = values.index or (0,)
    return dict(zip(numbers, values.values[0, 0].tolist(), strict=True)), values.reason


def test_how_often_one_expert_calls_another() -> None:
    found, reason = pairs_of([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], experts=4)
    assert found[0 * 4 + 1] == pytest.approx(2 / 3)
    assert found[1 * 4 + 0] == 1
    assert found[1 * 4 + 2] == 0
    assert np.isnan(found[3 * 4 + 0])
    assert reason == "no token is sent to the first expert"
    assert len(found) == 12
    unsaid, reason = pairs_of(None, experts=3)
    assert np.isnan(list(unsaid.values())).all()
    assert reason == "the router does not say which experts it chose"
    assert pairs_of([[1]], experts=1)[1] == "there is only one expert"


def test_what_cannot_be_told_has_a_reason() -> None:
    unsaid = "the router does not say which experts it chose"
    both = "the router does not show both its scores and its choice"
    assert outcomes(None, probabilities=[[0.2, 0.3, 0.5]], experts=3) == {
        "expert_balance": unsaid,
        "expert_load_variation": unsaid,
        "expert_coactivation": unsaid,
        "router_top_mass": both,
    }
    assert outcomes([[1], [1]], experts=1) == {
        "expert_balance": "there is only one expert",
        "expert_load_variation": "there is only one expert",
        "expert_coactivation": "there are not three experts to pair",
        "router_top_mass": both,
    }
