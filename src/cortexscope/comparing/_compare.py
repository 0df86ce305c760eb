"""Measure models, and compare all of them with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cortexscope.comparing._pairing import Planned, base_of, bits_of, write_pair
from cortexscope.engine import Progress, RunRequest, Setup, Shard, Silent, jobs_of, run
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.metrics import metric_names
from cortexscope.models import choose_dtype, expand, parse_reference
from cortexscope.registry import suggestion
from cortexscope.store import PairWriter, Run

__all__ = ["compared"]

_ALWAYS = "bits_per_byte"
"""The metric that every comparison has, whatever else was asked for."""


def compared(
    request: RunRequest,
    *,
    baseline: str | None = None,
    noise_floor: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Measure the models of a request, and let each read beside the one that it is compared with.

    Args:
        request: of an ordinary run of all models.
        baseline: the label of the model that the others are compared with, the first where None.
        noise_floor: compare the baseline with itself in bfloat16 too.
        progress: told what happens.

    Returns:
        The finished run folder, with the pairs in it.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model is not there, or none can be measured.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    request = _with_bits(replace(request, models=expand(request.models)))
    labels = [parse_reference(reference).label for reference in request.models]
    base = _chosen(baseline, labels)
    if len(labels) < 2 and not noise_floor:
        raise UsageError(
            "A comparison needs two models, and one was named; name another, or ask for "
            "--noise-floor, which compares it with itself in bfloat16."
        )
    if noise_floor and str(choose_dtype(request.settings.loading.dtype)) == "torch.bfloat16":
        raise UsageError(
            "--noise-floor loads the baseline in bfloat16 a second time, and it is loaded in that "
            "already; leave --dtype out, or leave out --noise-floor."
        )
    finished = run(request, progress)
    failed = finished.manifest.failures
    if base in failed or len([own for own in labels if own not in failed]) < 2 - noise_floor:
        return finished
    models = [own for own, label in zip(request.models, labels, strict=True) if label not in failed]
    plans = _planned(replace(request, models=tuple(models)))
    ours, bits = base_of(plans[base]), bits_of(finished)
    pairs = [(other, False) for label, other in plans.items() if label != base]
    if noise_floor:
        pairs.append((plans[base].in_bfloat16(), True))
    with PairWriter(finished.path) as writer:
        for other, noise in pairs:
            write_pair(writer, ours, other, noise=noise, bits=bits, progress=progress)
    return Run(finished.path)


def _with_bits(request: RunRequest) -> RunRequest:
    names = metric_names(request.metrics, plugins=request.plugins)
    return replace(request, metrics=tuple(dict.fromkeys([*names, _ALWAYS])))


def _chosen(baseline: str | None, labels: Sequence[str]) -> str:
    if not labels:
        raise UsageError("No model was named; name two, such as demo-decoder and tuned=./folder.")
    if baseline is not None and baseline not in labels:
        raise UnknownNameError(
            f"The baseline {baseline!r} is none of the models; {suggestion(baseline, labels)}"
        )
    return baseline or labels[0]


def _planned(request: RunRequest) -> dict[str, Planned]:
    """Return what is read of each model, by its label."""
    found: dict[str, tuple[Setup, list[Shard]]] = {}
    for job in jobs_of(request):
        if isinstance(job.work, Shard):
            found.setdefault(job.setup.info.model, (job.setup, []))[1].append(job.work)
    return {label: Planned(setup, shards) for label, (setup, shards) in found.items()}


def folder_is_run(path: str) -> bool:
    """Return whether a folder is a run, and no model."""
    return (Path(path) / "manifest.json").is_file()
