"""Plan a request so that it fits the memory there is: refuse what cannot, choose its batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from cortexscope.engine._estimate import Estimate, check_memory, estimate
from cortexscope.engine._plan import Checked, Plan, plan_of
from cortexscope.engine._request import Progress, RunRequest, Silent
from cortexscope.engine._sizes import said_bytes
from cortexscope.metrics.base.metric import Metric

__all__ = ["Fitted", "crowding", "fit", "shared_memory"]

_SIZES = (2048, 1024, 512, 256)
"""Tokens of a batch that are tried, the most first. On two cores demo-encoder reads 1,660 tokens a
second of 256, 2,100 of 512, 2,210 of 1024, 2,200 of 2048 and 2,190 of 4096 and 8192."""


class Fitted(NamedTuple):
    """A plan that fits, as far as memory was limited."""

    request: RunRequest
    """With the size of batches that was chosen."""
    plan: Plan
    estimates: list[Estimate]
    """Of the models that have prompts."""


def fit(checked: Checked, metrics: Sequence[Metric], progress: Progress) -> Fitted:
    """Return the plan of a request with what each model will cost.

    Raises:
        UsageError: if the request cannot be carried out as it stands, or a model does not fit.
        ModelError: if a model cannot be read.
    """
    fitted = _fitted(checked, metrics, progress)
    most = shared_memory(checked.request, fitted.estimates)
    if most is not None:
        for sentence in crowding(fitted.estimates, checked.request.workers or 1, most):
            progress.note(sentence)
    return fitted


def shared_memory(request: RunRequest, estimates: Sequence[Estimate]) -> int | None:
    """Return the bytes that all workers of a device may take, None where they share none.

    A cluster looks after its memory itself.
    """
    if request.backend != "local" or (request.workers or 1) == 1 or not estimates:
        return None
    return _most(request, estimates[0].device)


def _fitted(checked: Checked, metrics: Sequence[Metric], progress: Progress) -> Fitted:
    request = checked.request
    if not request.fit_batches:
        fitted = _with(request, checked, metrics, progress)
        if request.max_memory is not None:
            check_memory(fitted.estimates, request.max_memory)
        return fitted
    for number, tokens in enumerate(_SIZES):
        settings = replace(request.settings, batch_tokens=tokens)
        sized = replace(request, settings=settings)
        # What there is to say of models is said once.
        fitted = _with(sized, checked, metrics, Silent() if number else progress)
        if all(own.memory.total <= _most(request, own.device) for own in fitted.estimates):
            progress.note(f"batches of at most {tokens:,} tokens")
            return fitted
    for own in fitted.estimates:
        check_memory([own], _most(request, own.device))
    return fitted


def _with(
    request: RunRequest, checked: Checked, metrics: Sequence[Metric], progress: Progress
) -> Fitted:
    plan = plan_of(request, checked.suite, checked.names, progress)
    estimates = [estimate(work, metrics) for work in plan.works if work.shards]
    return Fitted(request, plan, estimates)


def crowding(estimates: Sequence[Estimate], workers: int, most: int) -> list[str]:
    """Return what there is to say of models that not all workers may have at the same time.

    Args:
        estimates: of the models.
        workers: how many are asked for.
        most: bytes that all workers of a device may take together.
    """
    sentences = []
    for own in estimates:
        fit = max(1, most // own.memory.total)
        if fit < workers:
            many = "1 worker" if fit == 1 else f"{fit} workers"
            sentences.append(
                f"{own.model}: at most {many} of {workers} at a time, as each may take "
                f"{said_bytes(own.memory.total)} of {said_bytes(most)}"
            )
    return sentences


def _most(request: RunRequest, device: str) -> int:
    """Return the bytes that models may take of a device: as asked, else what is free."""
    if request.max_memory is not None:
        return request.max_memory
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        (free,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(free) * 1024
    except (OSError, ValueError):
        # Where the system does not tell what is free, all that it has.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
