"""Ten metrics the obvious way: whole matrices, one prompt at a time, numpy in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from batches import Batch
from eager import Attention, Stack, watch
from family import Family

__all__ = ["METRICS", "Key", "Outcome", "Reference", "Values", "measure", "same"]

METRICS = (
    "study.final_activation",
    "study.attention_entropy",
    "study.max_sparsity",
    "attention_entropy",
    "attention_entropy_normalized",
    "attention_sink_mass",
    "residual_norm",
    "near_zero_fraction",
    "expert_load",
    "router_entropy",
)
"""What `measure` measures: enough to see that everything is seen. The whole panel is compared in
`tests/panel`."""

Key = tuple[str, str, int | None, int | None, int | None]
"""Metric, stack, layer, head, index."""

Outcome = float | str
"""A value, or the reason why there is none."""

Values = dict[Key, Outcome]

ROUNDING = (1e-5, 2e-6)
"""How far a float32 forward pass may move an entry near zero: in units, and as a share of the
root mean square of the layer's entries."""

_PER_HEAD = ("attention_entropy", "attention_entropy_normalized", "attention_sink_mass")
_OF_EXPERTS = ("expert_load", "router_entropy")


class Reference(NamedTuple):
    """What must be measured of one prompt."""

    values: Values
    fewest: Values
    """The near-zero shares, with the threshold lowered by the rounding of float32."""
    most: Values
    """Likewise with the threshold raised."""

    def check(
        self, got: Mapping[Key, Outcome], *, relative: float, absolute: float, exact: bool = False
    ) -> int:
        """Assert that measured values are these, all of them; return their number.

        A near-zero share counts entries below a threshold, and an entry within the rounding of a
        float32 pass of the threshold may fall on either side of it.
        """
        assert got.keys() == self.values.keys()
        for key, wanted in self.values.items():
            found = got[key]
            if key in self.fewest and not exact and isinstance(found, float):
                low, high = float(self.fewest[key]), float(self.most[key])
                assert low - 1e-12 <= found <= high + 1e-12, key
            else:
                assert same(found, wanted, relative=relative, absolute=absolute), key
        return len(self.values)


def same(found: Outcome, wanted: Outcome, *, relative: float, absolute: float) -> bool:
    """Return whether two values are close, or two reasons equal."""
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    return math.isclose(found, wanted, rel_tol=relative, abs_tol=absolute)


def measure(twin: Any, family: Family, inputs: Batch) -> Reference:
    """Measure one prompt.

    Args:
        twin: the model, spelled out.
        family: its row.
        inputs: of one prompt.
    """
    values: Values = {}
    fewest: Values = {}
    most: Values = {}
    for stack in watch(twin, family, inputs):
        values |= _of_attention(stack)
        if stack.final is not None:
            values |= {
                **_of_states(stack, stack.final),
                **_of_routing(stack),
                **_near_zero(stack, stack.final, 0),
            }
            fewest |= _near_zero(stack, stack.final, -1)
            most |= _near_zero(stack, stack.final, 1)
    return Reference(values, fewest, most)


def _of_states(stack: Stack, final: np.ndarray) -> Values:
    values: Values = {
        ("residual_norm", stack.name, layer, None, None): float(
            np.linalg.norm(state, axis=-1).mean()
        )
        for layer, state in enumerate(stack.states)
    }
    values["study.final_activation", stack.name, None, None, None] = float(final.mean())
    return values


def _near_zero(stack: Stack, final: np.ndarray, side: int) -> Values:
    def share(state: np.ndarray) -> float:
        spread = ROUNDING[0] + ROUNDING[1] * float(np.sqrt((state**2).mean()))
        return float((np.abs(state) < 0.01 + side * spread).mean())

    shares = [share(state) for state in stack.states]
    values: Values = {
        ("near_zero_fraction", stack.name, layer, None, None): value
        for layer, value in enumerate(shares)
    }
    largest = max(*shares[:-1], share(final))
    values["study.max_sparsity", stack.name, None, None, None] = largest
    return values


def _of_attention(stack: Stack) -> Values:
    whole = ("study.attention_entropy", stack.name, None, None, None)
    if not stack.attention:
        nothing: Values = {
            (metric, stack.name, None, None, None): "no attention layers" for metric in _PER_HEAD
        }
        return {**nothing, whole: "no attention layers"}
    values: Values = {}
    sums = []
    for layer in range(1, stack.layers + 1):
        if layer not in stack.attention:
            for metric in _PER_HEAD:
                key = (metric, stack.name, layer, None, None)
                values[key] = "no softmax attention in this layer"
            continue
        attention = stack.attention[layer]
        entropy = _entropy(_outcomes(attention))
        sums.append(entropy.sum(-1))
        for head, rows in enumerate(entropy):
            for metric, value in _of_head(attention, head, rows).items():
                values[metric, stack.name, layer, head, None] = value
    values[whole] = float(np.concatenate(sums).mean())
    return values


def _outcomes(attention: Attention) -> np.ndarray:
    """Return the probability of every outcome of a row, [head, query, outcome]."""
    if not attention.sink:
        return attention.probabilities
    rest = 1 - attention.probabilities.sum(-1, keepdims=True)
    return np.concatenate([attention.probabilities, rest.clip(0)], axis=-1)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    safe = np.where(probabilities > 0, probabilities, 1.0)
    entropy: np.ndarray = -(probabilities * np.log(safe)).sum(-1)
    return entropy


def _of_head(attention: Attention, head: int, entropy: np.ndarray) -> dict[str, Outcome]:
    possible = attention.visible.sum(-1) + attention.sink
    several = possible >= 2
    rows = np.arange(len(possible))
    first = attention.probabilities[head, rows, attention.visible.argmax(-1)]
    return {
        "attention_entropy": float(entropy.mean()),
        "attention_entropy_normalized": (
            float((entropy[several] / np.log(possible[several])).mean())
            if several.any()
            else "no query row sees two keys"
        ),
        "attention_sink_mass": (
            float(first[1:].mean()) if len(rows) > 1 else "fewer than two tokens"
        ),
    }


def _of_routing(stack: Stack) -> Values:
    if not stack.routing:
        return {(metric, stack.name, None, None, None): "no experts" for metric in _OF_EXPERTS}
    values: Values = {}
    for layer in range(1, stack.layers + 1):
        if layer not in stack.routing:
            for metric in _OF_EXPERTS:
                values[metric, stack.name, layer, None, None] = "no experts in this layer"
            continue
        scores, chosen = stack.routing[layer]
        for expert in range(scores.shape[1]):
            load = float((chosen == expert).mean())
            values["expert_load", stack.name, layer, None, expert] = load
        values["router_entropy", stack.name, layer, None, None] = float(_entropy(scores).mean())
    return values
