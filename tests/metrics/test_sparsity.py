"""Metrics of sparsity agree with numpy, of hidden states and of neurons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import pytest
import torch
from batches import inputs_for
from branches import branches
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Outcome, Values, same

from cortexscope.measure import attach
from cortexscope.metrics import MetricOptions, make_metrics
from cortexscope.metrics.base.metric import Layout
from cortexscope.models import load_model
from cortexscope.records import Site
from cortexscope.taps import HiddenStates, Neurons, Tokens

NAMES = (
    "hoyer",
    "gini",
    "treves_rolls_population",
    "treves_rolls_lifetime",
    "mass_concentration",
)
STATES = (*NAMES, "sparsity_threshold", "cumulative_mass")
NEURONS = (*(f"neuron_{name}" for name in NAMES), "neuron_threshold", "neuron_cumulative_mass")
LIFETIME = ("treves_rolls_lifetime", "neuron_treves_rolls_lifetime")
EXACT = tuple(name for name in (*STATES, *NEURONS) if name not in LIFETIME)
INPUTS = ("attention_input_threshold", "head_output_threshold", "mlp_input_threshold")
SHARES = (25, 40, 50, 65)
TOPS = (1, 2, 5, 10, 20, 50)

SITE = Site("decoder", 1)


def hoyer(sizes: np.ndarray) -> float:
    root = math.sqrt(len(sizes))
    return float((root - sizes.sum() / np.linalg.norm(sizes)) / (root - 1))


def gini(sizes: np.ndarray) -> float:
    """Return 1 minus twice the area under the Lorenz curve."""
    curve = np.cumsum(np.concatenate([[0.0], np.sort(sizes)])) / sizes.sum()
    return float(1 - (curve[1:] + curve[:-1]).mean())


def treves_rolls(sizes: np.ndarray) -> float:
    activity = sizes.mean() ** 2 / (sizes**2).mean()
    return float((1 - activity) / (1 - 1 / len(sizes)))


def concentration(sizes: np.ndarray) -> float:
    mass = np.cumsum(np.sort(sizes)[::-1])
    return float((np.argmax(mass >= 0.9 * sizes.sum()) + 1) / len(sizes))


def of_both(sizes: np.ndarray) -> dict[str, Outcome]:
    """Return what is measured of states and of neurons, [token, feature]."""
    alive = sizes[:, sizes.any(0)]
    return {
        "hoyer": float(np.mean([hoyer(token) for token in sizes])),
        "gini": float(np.mean([gini(token) for token in sizes])),
        "treves_rolls_population": float(np.mean([treves_rolls(token) for token in sizes])),
        "treves_rolls_lifetime": (
            float(np.mean([treves_rolls(feature) for feature in alive.T]))
            if len(sizes) > 1
            else "fewer than two tokens, or all entries are 0"
        ),
        "mass_concentration": float(np.mean([concentration(token) for token in sizes])),
    }


def thresholds(sizes: np.ndarray) -> dict[int, float]:
    ordered = np.sort(sizes.ravel())
    return {share: float(ordered[math.ceil(share * ordered.size / 100) - 1]) for share in SHARES}


def masses(sizes: np.ndarray) -> dict[int, float]:
    """Return what the largest entries of each token hold, averaged over tokens."""
    return {
        top: float(
            np.mean([np.sort(t)[-math.ceil(top * t.size / 100) :].sum() / t.sum() for t in sizes])
        )
        for top in TOPS
    }


def of_states(case: Case) -> Values:
    values: Values = {}
    for stack in case.stacks:
        for layer, state in enumerate(stack.states):
            sizes = np.abs(state)
            sampled = sizes[case.places(len(sizes))]
            every = of_both(sizes)
            found = {
                **of_both(sampled),
                # What is cheap is taken of all tokens.
                "hoyer": every["hoyer"],
                "treves_rolls_population": every["treves_rolls_population"],
            }
            key = (stack.name, layer, None)
            values |= {(name, *key, None): value for name, value in found.items()}
            values |= {
                ("sparsity_threshold", *key, share): value
                for share, value in thresholds(sampled).items()
            }
            values |= {
                ("cumulative_mass", *key, top): value for top, value in masses(sampled).items()
            }
    return values


def of_neurons(case: Case) -> Values:
    values: Values = {}
    for stack, blocks in branches(case).items():
        if all(block.neurons is None for block in blocks):
            reason = "no MLP with a down projection was found"
            values |= {(name, stack, None, None, None): reason for name in NEURONS}
            continue
        for layer, block in enumerate(blocks, start=1):
            assert block.neurons is not None
            sizes = np.abs(block.neurons[case.places(len(block.neurons))])
            values |= {
                (f"neuron_{name}", stack, layer, None, None): value
                for name, value in of_both(sizes).items()
            }
            values |= {
                ("neuron_threshold", stack, layer, None, share): value
                for share, value in thresholds(sizes).items()
            }
            values |= {
                ("neuron_cumulative_mass", stack, layer, None, top): value
                for top, value in masses(sizes).items()
            }
    return values


def of_inputs(case: Case) -> Values:
    values: Values = {}
    for stack, blocks in branches(case).items():
        for layer, block in enumerate(blocks, start=1):
            read = (block.attention_input, block.head_outputs, block.mlp_input)
            for name, entries in zip(INPUTS, read, strict=True):
                if entries is None:
                    reason = "no MLP with a down projection was found"
                    values[name, stack, None, None, None] = reason
                    continue
                sizes = np.abs(entries[case.places(len(entries))])
                values |= {
                    (name, stack, layer, None, share): value
                    for share, value in thresholds(sizes).items()
                }
    return values


def reference(case: Case) -> Values:
    return of_states(case) | of_neurons(case)


def only(names: Sequence[str]) -> Callable[[Case], Values]:
    """Return the reference of some of the metrics."""
    return lambda case: {key: value for key, value in reference(case).items() if key[0] in names}


@pytest.mark.parametrize("way", ["left", "sample"])
@pytest.mark.parametrize("family", PANEL)
def test_thresholds_of_what_matrices_read_equal_the_plain_ones(family: str, way: str) -> None:
    assert agree(family, way, INPUTS, of_inputs) > 0


def test_attention_reads_the_normed_stream() -> None:
    model = tiny_model("llama")
    batch = inputs_for(FAMILIES["llama"], [30])
    with attach(model, metrics=INPUTS[:1], sample_tokens=None) as probe, torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    found = probe.frame()
    for layer, block in enumerate(model.model.layers, start=1):
        norm = block.input_layernorm
        stream = states[layer - 1][0].double().numpy()
        root = np.sqrt((stream**2).mean(-1, keepdims=True) + norm.variance_epsilon)
        read = stream / root * norm.weight.detach().double().numpy()
        own = found[found["layer"] == layer].set_index("index")["value"]
        assert dict(own) == pytest.approx(thresholds(np.abs(read)), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, EXACT, only(EXACT)) > 0
    # Where a smooth activation is all but 0 at every token, float32 knows it to a few digits.
    assert agree(family, way, LIFETIME, only(LIFETIME), absolute=1e-4) > 0


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_so_they_do_on_the_demo_models(name: str) -> None:
    words = " ".join(["The cat sat on the mat, and the dog did not."] * 9).split()
    texts = [" ".join(words[:length]) for length in (1, 2, 20, 40, 80)]
    assert agree_on(load_model(name), texts, (*STATES, *NEURONS), reference, sample=32) > 0


def test_in_bfloat16_they_are_within_a_fiftieth() -> None:
    row = FAMILIES["llama"]
    model = tiny_model("llama").to(torch.bfloat16)
    batch = inputs_for(row, [33, 9])
    names = (*STATES, *NEURONS)
    found = []
    for kind in (torch.float32, torch.bfloat16):
        with attach(model.to(kind), metrics=names) as probe, torch.no_grad():
            model(**batch)
        found.append(outcomes(probe.frame()))
    exact, rounded = found
    for prompt, values in exact.items():
        for key, value in values.items():
            assert same(rounded[prompt][key], value, relative=0.02, absolute=0.01), key


def measured(name: str, rows: torch.Tensor) -> float | list[float] | str:
    """Return a metric of one prompt with these states or neurons, [token, feature]."""
    (metric,) = make_metrics([name], MetricOptions())
    positions = Tokens(torch.ones(1, len(rows), dtype=torch.bool))
    kind = Neurons if name.startswith("neuron") else HiddenStates
    state = metric.update(metric.start(), SITE, kind(rows[None], positions))
    layout = Layout(hidden=((SITE,),), blocks=((SITE,),), attention=((SITE,),), final=())
    (found,) = metric.compute(state, layout)
    assert found.values is not None
    if found.values.isnan().all():
        assert found.reason is not None
        return found.reason
    value: float | list[float] = found.values[0, 0].tolist()
    return value


@pytest.mark.parametrize("prefix", ["", "neuron_"])
def test_gaussian_entries_have_the_values_of_theory(prefix: str) -> None:
    rows = torch.randn(200, 20_000, generator=torch.Generator().manual_seed(0))
    few = rows[:20]
    ratio = 2 / math.pi
    assert measured(f"{prefix}hoyer", few) == pytest.approx(1 - math.sqrt(ratio), abs=0.006)
    assert measured(f"{prefix}gini", few) == pytest.approx(math.sqrt(2) - 1, abs=0.002)
    for kind in ("population", "lifetime"):
        name = f"{prefix}treves_rolls_{kind}"
        assert measured(name, rows) == pytest.approx(1 - ratio, abs=0.01)
    concentrated = math.erfc(math.sqrt(-math.log(0.9)))
    assert measured(f"{prefix}mass_concentration", few) == pytest.approx(concentrated, abs=0.003)
    held = [math.exp(-(NormalDist().inv_cdf(1 - top / 200) ** 2) / 2) for top in TOPS]
    assert measured(f"{prefix}cumulative_mass", few) == pytest.approx(held, abs=0.003)
    found = measured("neuron_threshold" if prefix else "sparsity_threshold", few)
    assert found == pytest.approx([0.3186, 0.5244, 0.6745, 0.9346], abs=0.005)


@pytest.mark.parametrize("prefix", ["", "neuron_"])
def test_one_entry_alone_is_as_sparse_as_can_be_and_equal_ones_not_at_all(prefix: str) -> None:
    alone = torch.eye(10) * 3
    level = torch.full((10, 10), -2.0)
    for name in ("hoyer", "treves_rolls_population", "treves_rolls_lifetime"):
        assert measured(prefix + name, alone) == pytest.approx(1, abs=1e-6)
        assert measured(prefix + name, level) == pytest.approx(0, abs=1e-6)
    assert measured(f"{prefix}gini", alone) == pytest.approx(0.9)
    assert measured(f"{prefix}gini", level) == pytest.approx(0)
    assert measured(f"{prefix}mass_concentration", alone) == pytest.approx(0.1)
    assert measured(f"{prefix}mass_concentration", level) == pytest.approx(0.9)
    assert measured(f"{prefix}cumulative_mass", alone) == pytest.approx([1] * len(TOPS))
    even = [0.1, 0.1, 0.1, 0.1, 0.2, 0.5]
    assert measured(f"{prefix}cumulative_mass", level) == pytest.approx(even)


@pytest.mark.parametrize(
    "name", ["hoyer", "gini", "treves_rolls_population", "mass_concentration", "cumulative_mass"]
)
@pytest.mark.parametrize("prefix", ["", "neuron_"])
def test_tokens_without_any_entry_are_left_out(name: str, prefix: str) -> None:
    rows = torch.eye(4)
    with_zeros = torch.cat([rows, torch.zeros(3, 4)])
    assert measured(prefix + name, with_zeros) == measured(prefix + name, rows)
    assert measured(prefix + name, torch.zeros(2, 4)) == "every token's entries are all 0"


def test_thresholds_are_entries_and_give_the_sparsity() -> None:
    rows = torch.arange(1.0, 101).reshape(5, 20) * torch.tensor([1.0, -1.0]).repeat(10)
    assert measured("sparsity_threshold", rows) == [25, 40, 50, 65]
    assert measured("neuron_threshold", rows.relu()) == [0, 0, 0, 29]


def test_neurons_are_dead_that_no_token_wakes() -> None:
    rows = torch.tensor([[0.0, 0.009, 0.5, 0.0], [0.0, -0.009, 0.0, -0.01]])
    assert measured("neuron_dead", rows) == 0.5
    assert measured("neuron_near_zero", rows) == pytest.approx(6 / 8)
    assert measured("neuron_exact_zeros", rows) == pytest.approx(4 / 8)


def test_small_for_its_token_does_not_depend_on_scale() -> None:
    rows = torch.randn(50, 4000, generator=torch.Generator().manual_seed(0))
    found = measured("near_zero_relative", rows)
    assert found == pytest.approx(math.erf(0.1 / math.sqrt(2)), abs=0.002)
    scaled = rows * torch.logspace(-3, 3, 50)[:, None]
    assert measured("near_zero_relative", scaled) == pytest.approx(found, abs=1e-4)
