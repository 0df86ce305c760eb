"""The eight metrics the obvious way: eager attention in float64, one prompt at a time, numpy."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

__all__ = ["Key", "Reference", "in_float64", "measure"]


Key = tuple[str, int | None, int | None]
"""Metric, layer, head."""

ROUNDING = (1e-5, 2e-6)
"""How far a float32 forward pass may move an entry near zero: in units, and as a share of the
root mean square of the layer's entries."""


class Reference(NamedTuple):
    """Values of one prompt by metric: arrays over layers, or layers and heads; NaN undefined."""

    values: dict[str, np.ndarray]
    fewest: dict[str, np.ndarray]
    """Of the near-zero shares, with the threshold lowered by the rounding of float32."""
    most: dict[str, np.ndarray]
    """Likewise with the threshold raised."""

    def check(
        self, got: Mapping[Key, float], *, relative: float, absolute: float, exact: bool = False
    ) -> int:
        """Assert that measured values are these, all of them; return their number.

        A near-zero share counts entries below a threshold, and an entry within the rounding of a
        float32 pass of the threshold may fall on either side of it.
        """
        wanted, low, high = (numbered(part) for part in (self.values, self.fewest, self.most))
        assert got.keys() == wanted.keys()
        for key, value in wanted.items():
            if key in low and not exact:
                assert low[key] - 1e-12 <= got[key] <= high[key] + 1e-12, key
            else:
                close = pytest.approx(value, rel=relative, abs=absolute, nan_ok=True)
                assert got[key] == close, key
        return len(wanted)


def numbered(values: dict[str, np.ndarray]) -> dict[Key, float]:
    """Return the values by metric, layer and head, numbered as in a run."""
    found: dict[Key, float] = {}
    for metric, array in values.items():
        if array.ndim == 0:
            found[metric, None, None] = float(array)
        elif array.ndim == 1:
            for layer, value in enumerate(array):
                found[metric, layer, None] = float(value)
        else:
            for (block, head), value in np.ndenumerate(array):
                found[metric, block + 1, head] = float(value)
    return found


def in_float64(model: Any) -> Any:
    """Return a copy that computes in float64 with attention spelled out."""
    twin = copy.deepcopy(model).double().eval()
    twin.set_attn_implementation("eager")
    return twin


def measure(twin: Any, blocks: list[nn.Module], ids: list[int], *, causal: bool) -> Reference:
    """Measure one prompt, without padding, from whole matrices."""
    outputs: list[np.ndarray] = []

    def keep(module: nn.Module, args: object, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        outputs.append(state[0].numpy())

    handles = [block.register_forward_hook(keep) for block in blocks]
    backbone = twin.base_model
    with torch.no_grad():
        result = (
            backbone(
                input_ids=torch.tensor([ids]),
                output_attentions=True,
                output_hidden_states=True,
                use_cache=False,
            )
            if causal
            else backbone(
                input_ids=torch.tensor([ids]), output_attentions=True, output_hidden_states=True
            )
        )
    for handle in handles:
        handle.remove()
    attention = np.stack([layer[0].numpy() for layer in result.attentions])  # [L, H, n, n]
    returned = [state[0].numpy() for state in result.hidden_states]
    final = result.last_hidden_state[0].numpy()
    raw = [returned[0], *outputs]
    n = len(ids)

    safe = np.where(attention > 0, attention, 1.0)
    entropy = -(attention * np.log(safe)).sum(-1)  # [L, H, n]
    visible = np.arange(1, n + 1) if causal else np.full(n, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = entropy / np.log(visible)
    several = visible >= 2
    undefined = np.full(entropy.shape[:2], np.nan)

    def share(state: np.ndarray, side: int) -> float:
        spread = ROUNDING[0] + ROUNDING[1] * float(np.sqrt((state**2).mean()))
        return float((np.abs(state) < 0.01 + side * spread).mean())

    def near_zero(side: int) -> dict[str, np.ndarray]:
        as_returned = (*returned[:-1], final)
        return {
            "study.max_sparsity": np.asarray(max(share(state, side) for state in as_returned)),
            "near_zero_fraction": np.asarray([share(state, side) for state in raw]),
        }

    return Reference(
        fewest=near_zero(-1),
        most=near_zero(1),
        values={
            **near_zero(0),
            "study.final_activation": np.asarray(final.mean()),
            "study.attention_entropy": np.asarray(entropy.sum(-1).mean()),
            "attention_entropy": entropy.mean(-1),
            "attention_entropy_normalized": (
                ratios[:, :, several].mean(-1) if several.any() else undefined
            ),
            "attention_sink_mass": attention[:, :, 1:, 0].mean(-1) if n > 1 else undefined,
            "residual_norm": np.asarray([np.linalg.norm(s, axis=-1).mean() for s in raw]),
        },
    )
