"""Every metric of attention agrees with numpy on the panel's families and the demo models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from batches import Batch, inputs_for, row_of
from eager import Attention, Stack, eager
from families import FAMILIES, tiny_model
from measured import outcomes
from panel import PANEL, WAYS, Case, agree, agree_on
from reference import Outcome, Values, same

from cortexscope import load_model
from cortexscope.measure import attach

NO_STACK = "no attention layers"
NO_LAYER = "no softmax attention in this layer"
OTHER_TEXT = "the keys are tokens of another text, "
APART = OTHER_TEXT + "which lie at no distance"


class Rows(NamedTuple):
    """What one head shows of one prompt, [row, key]."""

    p: np.ndarray
    visible: np.ndarray
    sink: bool
    places: list[int]
    """The tokens that stand for the prompt."""
    causal: bool


def entropies(rows: Rows) -> np.ndarray:
    outcomes = np.concatenate([rows.p, lost(rows)[:, None]], 1)
    found: np.ndarray = -(outcomes * np.log(np.where(outcomes > 0, outcomes, 1))).sum(1)
    return found


def lost(rows: Rows) -> np.ndarray:
    """Return what rows lack to 1."""
    missing: np.ndarray = (1 - rows.p.sum(1)).clip(0) * rows.sink
    return missing


def squares(rows: Rows) -> np.ndarray:
    found: np.ndarray = ((rows.p**2).sum(1) + lost(rows) ** 2)[rows.places]
    return found


def away(rows: Rows) -> np.ndarray:
    queries, keys = rows.p.shape
    apart: np.ndarray = np.abs(np.arange(queries)[:, None] - np.arange(keys))
    return apart


def mean_or(values: np.ndarray, reason: str) -> Outcome:
    return float(np.mean(values)) if len(values) else reason


def collapsed(rows: Rows) -> Outcome:
    ceiling = rows.visible.sum(1) + rows.sink
    several = ceiling >= 2
    if not several.any():
        return "no query row sees two keys"
    return float((entropies(rows)[several] / np.log(ceiling[several])).mean() < 0.1)


def concentration(rows: Rows) -> Outcome:
    received = rows.p[rows.places].sum(0)
    return float(((received / received.sum()) ** 2).sum())


def first_64(rows: Rows) -> Outcome:
    if len(rows.p) < 64 or not rows.causal:
        return "fewer than 64 tokens, or attention that looks ahead"
    return float(rows.p[:64, 0].mean() > 0.3)


def sink(rows: Rows) -> Outcome:
    even = rows.visible[:, 0] / (rows.visible.sum(1) + rows.sink)
    if even.mean() > 0.3:
        return "so few tokens that even attention would be a sink"
    return float(rows.p[:, 0].mean() > 0.3)


def previous(rows: Rows) -> Outcome:
    return mean_or(rows.p.diagonal(-1), "fewer than two tokens")


def local(rows: Rows) -> Outcome:
    return float(np.where(away(rows) < 16, rows.p, 0).sum(1)[rows.places].mean())


def distance(rows: Rows) -> Outcome:
    return float((rows.p * away(rows)).sum(1)[rows.places].mean())


def distance_without_sink(rows: Rows) -> Outcome:
    p, apart = rows.p[rows.places, 1:], away(rows)[rows.places, 1:]
    mass = p.sum(1)
    counted = mass >= 1e-6
    ratios = (p * apart).sum(1)[counted] / mass[counted]
    return mean_or(ratios, "no query row attends to anything but the first token")


def distance_relative(rows: Rows) -> Outcome:
    visible, apart = rows.visible[rows.places], away(rows)[rows.places]
    even = (visible * apart).sum(1) / visible.sum(1)
    several = visible.sum(1) >= 2
    got = (rows.p[rows.places] * apart).sum(1)
    return mean_or(got[several] / even[several], "no query row sees two keys")


PER_HEAD: dict[str, Callable[[Rows], Outcome]] = {
    "attention_entropy_collapse": collapsed,
    "attention_collision_entropy": lambda rows: float(-np.log(squares(rows)).mean()),
    "attention_effective_keys": lambda rows: float((1 / squares(rows)).mean()),
    "attention_max_probability": lambda rows: float(rows.p.max(1)[rows.places].mean()),
    "attention_received_concentration": concentration,
    "attention_first_token_mass": lambda rows: mean_or(rows.p[1:, 0], "fewer than two tokens"),
    "attention_sink_rate": sink,
    "attention_sink_rate_64": first_64,
    "attention_learned_sink_mass": lambda rows: float(lost(rows).mean()),
    "attention_previous_token": previous,
    "attention_local_mass": local,
    "attention_distance": distance,
    "attention_distance_without_sink": distance_without_sink,
    "attention_distance_relative": distance_relative,
}
WITHIN = {
    "attention_sink_rate_64": OTHER_TEXT + "all of them seen by every row",
    "attention_previous_token": OTHER_TEXT + "none of which comes before the query",
    "attention_local_mass": APART,
    "attention_distance": APART,
    "attention_distance_without_sink": APART,
    "attention_distance_relative": APART,
}
FLAGS = ("attention_entropy_collapse", "attention_sink_rate", "attention_sink_rate_64")
BINNED = "attention_entropy_by_position"
WHOLE = "study.mean_attention"
METRICS = (BINNED, WHOLE, *PER_HEAD)
BINS = {1: 3, 4: 15, 16: 63, 64: 255, 256: 1023, 1024: 4095, 4096: math.inf}


def reference(case: Case) -> Values:
    values: Values = {}
    for stack in case.stacks:
        for metric in METRICS:
            values |= of_metric(metric, stack, case)
    return values


def of_metric(metric: str, stack: Stack, case: Case) -> Values:
    whole = (metric, stack.name, None, None, None)
    attention = stack.attention
    if metric == "attention_learned_sink_mass" and not any(a.sink for a in attention.values()):
        return {whole: "no learned sink"}
    if stack.name == "cross" and metric in WITHIN:
        return {whole: WITHIN[metric]}
    if not attention:
        return {whole: NO_STACK}
    values: Values = {}
    for layer in range(1, stack.layers + 1):
        if layer not in attention:
            values[metric, stack.name, layer, None, None] = NO_LAYER
            continue
        if metric == WHOLE:
            values[metric, stack.name, layer, None, None] = float(
                attention[layer].probabilities.mean()
            )
            continue
        heads = heads_of(attention[layer], case, causal=stack.name == "decoder")
        if metric == BINNED:
            for first, value in binned(heads).items():
                values[metric, stack.name, layer, None, first] = value
        else:
            for head, rows in enumerate(heads):
                values[metric, stack.name, layer, head, None] = PER_HEAD[metric](rows)
    return values


def heads_of(attention: Attention, case: Case, *, causal: bool) -> list[Rows]:
    places = case.places(attention.visible.shape[0])
    return [
        Rows(p, attention.visible, attention.sink, places, causal) for p in attention.probabilities
    ]


def binned(heads: list[Rows]) -> dict[int, Outcome]:
    means = np.mean([entropies(rows) for rows in heads], axis=0)
    number = np.arange(1, len(means) + 1)
    return {
        first: mean_or(means[(number >= first) & (number <= last)], "no query row in this bin")
        for first, last in BINS.items()
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", PANEL)
def test_they_equal_the_plain_computation(family: str, way: str) -> None:
    assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("family", ["mistral", "modernbert", "llama4_text", "jamba", "deberta"])
def test_they_know_what_windows_hide(family: str) -> None:
    for way in ("left", "sample"):
        assert agree(family, way, METRICS, reference) > 0


@pytest.mark.parametrize("family", ["llama", "gpt_oss", "mistral", "bert", "t5"])
def test_prompts_of_64_tokens_have_a_sink_rate_at_64_tokens(family: str) -> None:
    batch = inputs_for(FAMILIES[family], [90, 64, 63, 90], left=True)
    compare(tiny_model(family), family, batch, METRICS, absolute=1e-6, relative=1e-4)


def compare(
    model: Any,
    family: str,
    batch: Batch,
    metrics: Sequence[str],
    *,
    absolute: float,
    relative: float,
) -> None:
    """Compare what is measured of each prompt."""
    twin, row = eager(model), FAMILIES[family]
    with attach(model, metrics=metrics, sample_tokens=None) as probe, torch.no_grad():
        model(**batch)
    for number, got in enumerate(outcomes(probe.frame()).values()):
        case = Case(twin, row, row_of(batch, number, padding=False), None)
        wrong = {
            key: (got[key], value)
            for key, value in reference(case).items()
            if key[0] in metrics and not same(got[key], value, absolute=absolute, relative=relative)
        }
        assert not wrong, dict(list(wrong.items())[:8])


def test_in_bfloat16_they_agree_within_a_twentieth() -> None:
    """With the model's own weights in float64; flags may turn at their thresholds."""
    model = tiny_model("qwen2", sharpness=4).bfloat16()
    batch = inputs_for(FAMILIES["qwen2"], [37, 20, 2])
    compare(
        model,
        "qwen2",
        batch,
        [metric for metric in METRICS if metric not in FLAGS],
        absolute=0.02,
        relative=0.03,
    )


@pytest.mark.parametrize("family", ["llama", "mistral", "bert"])
def test_the_mean_weight_is_one_over_the_length_whatever_the_model(family: str) -> None:
    lengths = [40, 17, 2]
    batch = inputs_for(FAMILIES[family], lengths)
    model = tiny_model(family, sharpness=4)
    with attach(model, metrics=[WHOLE]) as probe, torch.no_grad():
        model(**batch)
    for length, got in zip(lengths, outcomes(probe.frame()).values(), strict=True):
        assert list(got.values()) == pytest.approx([1 / length] * len(got), abs=1e-7)


@pytest.mark.slow
def test_rows_that_come_in_many_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cortexscope.taps._direct._CHUNK", 1000)
    for family in ("llama", "gpt_oss", "t5"):
        batch = inputs_for(FAMILIES[family], [50, 9])
        compare(tiny_model(family), family, batch, METRICS, absolute=1e-6, relative=1e-4)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["demo-decoder", "demo-encoder"])
def test_they_equal_the_plain_computation_on_the_demo_models(name: str) -> None:
    model = load_model(name)
    words = [f"{word} and" for word in ("one", "two", "stones", "who", "ran", "over", "a", "dog")]
    texts = [" ".join(" ".join(words * 9).split()[:count]) for count in (1, 2, 24, 47, 90)]
    assert agree_on(model, texts, METRICS, reference, sample=None) > 0
    assert agree_on(model, texts[2:4], METRICS, reference, sample=32) > 0
