"""Whether what is measured on a device is right: kernels, metrics, and the model's own checks.

The other side of every comparison is computed on the CPU in float64, where nothing is fused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from overhead import CPU, THREE, Inputs, prepare, tokens
from peers import statistics
from torch import Tensor

__all__ = ["exactness", "kernels", "selfchecks", "textbook"]

WIDTHS = (64, 80, 128, 256)
GROUPS = (1, 3)
WAYS = ("none", "causal", "bias")
KEY = ["prompt_id", "metric", "stack", "layer", "head", "index"]
TOLERANCE = 1e-3
"""Of float32 against float64, as a share of the root mean square of a metric's values."""
LENGTHS = (200, 131, 24, 2)
"""Of the prompts of one batch, which are padded on the right."""


def kernels(device: torch.device) -> Iterator[dict[str, Any]]:
    """Yield, of each kind of tensors, what reads the rows and how far it is off.

    That is compiled code of our own, else the fused kernel that is chosen, of which both are tried;
    where there is neither, scores are computed in chunks. Errors are the largest of an entry, of
    the log-sum-exp and of the entropy in nats. What is off by more than 1e-3 nats must not be used.
    """
    from cortexscope.taps import ROWS, _kernels
    from cortexscope.taps._native import native_rows, takes_native

    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    for dtype, way, width, groups in itertools.product(dtypes, WAYS, WIDTHS, GROUPS):
        query, key, value, mask = _kernels.example(device, dtype, width, groups, way)
        chosen = _kernels.choose(query, key, mask)
        found: dict[str, Any] = {
            "dtype": str(dtype).removeprefix("torch."),
            "mask": way,
            "width": width,
            "heads_to_a_key": groups,
            "kernel": chosen and chosen.name,
        }
        if chosen is not None:
            output, lse = _kernels.attend(chosen, query, key, value, mask, width**-0.5)
            wanted, sums = _plain(query, key, value, mask, width**-0.5)
            found["lse_error"] = _largest(lse.cpu().double() - sums)
            found["output_error"] = _largest(output.cpu().double() - wanted)
            found["passed"] = found["lse_error"] < 1e-3
        found["compiled"] = takes_native(query, key)
        if found["compiled"]:
            rows, _ = native_rows(query, key, mask, width**-0.5, (ROWS["entropy"],), None)
            entropy = torch.special.entr(_scores(query, key, mask, width**-0.5).softmax(-1)).sum(-1)
            found["entropy_error"] = _largest(rows["entropy"].cpu().double() - entropy)
            found["passed"] = found.get("passed", True) and found["entropy_error"] < 1e-3
        yield found


def _plain(
    query: Tensor, key: Tensor, value: Tensor, mask: Any, scale: float
) -> tuple[Tensor, Tensor]:
    """Return output and log-sum-exp as a textbook computes them, in float64 on the CPU."""
    scores = _scores(query, key, mask, scale)
    value = value.cpu().double().repeat_interleave(query.shape[1] // key.shape[1], 1)
    return scores.softmax(-1) @ value, scores.logsumexp(-1)


def _scores(query: Tensor, key: Tensor, mask: Any, scale: float) -> Tensor:
    key = key.cpu().double().repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = query.cpu().double() @ key.mT * scale
    if mask.causal:
        scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -torch.inf)
    if mask.bias is not None:
        scores = scores + mask.bias.cpu().double()
    return scores


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def textbook(model: str, device: torch.device, length: int) -> dict[str, Any]:
    """Return how far three metrics are from those of whole matrices, made in float64 on the CPU."""
    made = prepare("three", model=model, device=device)(tokens(length, device))
    plain = prepare("eager", model=model, dtype="float64")(tokens(length))
    found = statistics(made)
    off = {name: _off(found[name].flatten(), plain[name].double().flatten()) for name in THREE}
    return {
        "tokens": length,
        "deviations": off,
        "passed": all(value < TOLERANCE for value in off.values()),
    }


def _off(found: Tensor, known: Tensor) -> float:
    """Return the largest difference, as a share of the root mean square of what is known.

    In units where all that is known is zero, as it is of what never happens in this model.
    """
    return float((found - known).abs().max() / (known.square().mean().sqrt().item() or 1))


def exactness(model: str, device: torch.device) -> Iterator[dict[str, Any]]:
    """Yield how far each metric of the default panel is from that of the CPU in float64.

    A model in half precision computes other numbers than one in float64, so that of those the
    figures are given and only the places that are undefined are judged.
    """
    batch = _padded(LENGTHS)
    known = _frame(model, CPU, "float64", batch)
    for dtype in ("float32", "bfloat16", "float16"):
        found = _frame(model, device, dtype, batch)
        both = known.join(found, lsuffix="_known", how="outer")
        columns = ("value", "value_known")
        alike = bool((both["value"].isna() == both["value_known"].isna()).all())
        off = {
            str(metric): _off(*(torch.tensor(rows[name].to_numpy()) for name in columns))
            for metric, rows in both.dropna().groupby(level="metric")
        }
        worst = max(off, key=lambda metric: off[metric])
        yield {
            "dtype": dtype,
            "values": len(both),
            "deviations": off,
            "worst": worst,
            "largest_deviation": off[worst],
            "median_deviation": float(pd.Series(off).median()),
            "passed": alike and (dtype != "float32" or off[worst] < TOLERANCE),
        }


def _padded(lengths: tuple[int, ...]) -> Inputs:
    row = tokens(max(lengths))["input_ids"][0]
    return {
        # So that each prompt reads other tokens.
        "input_ids": torch.stack([row.roll(31 * number) for number in range(len(lengths))]),
        "attention_mask": (torch.arange(len(row)) < torch.tensor(lengths)[:, None]).long(),
    }


def _frame(model: str, device: torch.device, dtype: str, batch: Inputs) -> pd.DataFrame:
    """Return the values of numbers; which feature is the largest can hang on the last bit."""
    from cortexscope.metrics import metric_specs

    inputs = {name: given.to(device) for name, given in batch.items()}
    frame = prepare("panel", model=model, device=device, dtype=dtype)(inputs).frame()
    labels = [spec.name for spec in metric_specs() if spec.scale == "label"]
    frame = frame[~frame["metric"].isin(labels)]
    # A key that is null would not be found again.
    keys = [frame[name].astype(object).where(frame[name].notna(), "") for name in KEY]
    return frame[["value"]].set_index(keys)


def selfchecks(model: str, device: torch.device) -> Iterator[dict[str, Any]]:
    """Yield what the model's own checks find on the device, in each precision."""
    import cortexscope

    for dtype in ("float32", "bfloat16", "float16"):
        options = cortexscope.LoadOptions(device=str(device), dtype=dtype)
        findings = cortexscope.selfcheck(cortexscope.load_model(model, options))
        failed = {found.check: found.sentence for found in findings if found.passed is False}
        yield {
            "dtype": dtype,
            "checks": sum(found.passed is not None for found in findings),
            "failed": failed,
            "passed": not failed,
        }
