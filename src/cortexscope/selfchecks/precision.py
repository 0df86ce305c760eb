"""Precision: how far each metric drifts between float32 and bfloat16."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from cortexscope.metrics.base.metric import Metric
from cortexscope.records import Finding, Site
from cortexscope.selfchecks._reading import Reading, watch
from cortexscope.selfchecks._subject import Batch, Subject
from cortexscope.selfchecks._tolerance import Error, does_not_apply, judged

__all__ = ["precision_drift"]


def precision_drift(
    subject: Subject, batch: Batch, metrics: Sequence[Metric], reading: Reading
) -> list[Finding]:
    """Measure a copy in the other precision; a difference is shown and not judged.

    Only a value that is no number any more fails.
    """
    name = "bf16 drift"
    if any(hasattr(part, "_hf_hook") for part in subject.module.modules()):
        return [does_not_apply(name, "The weights lie on several devices.")]
    if subject.quantized:
        return [does_not_apply(name, "The weights are quantised.")]
    lowers = subject.dtype in (torch.float32, torch.float64)
    subject.switches.reset()
    try:
        other = copy.deepcopy(subject.module).to(torch.bfloat16 if lowers else torch.float32)
        result = watch(subject, batch, metrics=metrics, called=other)
    except RuntimeError as error:
        return [does_not_apply(name, f"A copy in another precision does not run ({error}).")]
    low, high = (result, reading) if lowers else (reading, result)
    return [found for metric in metrics if (found := _drift(metric.spec.name, low, high))]


def _drift(metric: str, low: Reading, high: Reading) -> Finding | None:
    errors: list[Error] = []
    every = []
    for (name, site), exact in high.values.items():
        rounded = low.values.get((name, site))
        if name != metric or exact is None or rounded is None:
            continue
        defined = ~exact.isnan()
        pair = rounded[defined].double().cpu(), exact[defined].double().cpu()
        share = (pair[0] - pair[1]).abs() / pair[1].abs().clamp(min=0.01)
        if share.numel():
            every.append(share.flatten())
            worst = float(share.nan_to_num(nan=float("inf")).max())
            errors.append(Error(Site(site.stack, site.layer), worst))
    if not errors:
        return None
    median = float(torch.cat(every).median())
    found = judged(
        f"bf16 {metric}",
        errors,
        None,
        good="Shown is the difference between bfloat16 and float32, as a share of the value.",
        bad="In bfloat16 a value is no finite number.",
    )
    return found.model_copy(update={"median": median if found.passed else None})
