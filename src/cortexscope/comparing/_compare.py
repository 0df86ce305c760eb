"""Measure models, and compare all of them with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cortexscope.analysis import FEWEST
from cortexscope.comparing._comparison import Comparison
from cortexscope.comparing._conditions import Condition, parsed
from cortexscope.comparing._pairing import Base, Planned, base_of, bits_of, write_pair
from cortexscope.comparing._runs import compared_runs, is_run
from cortexscope.comparing._saved import is_saved, open_saved, save_base
from cortexscope.engine import (
    Progress,
    RunRequest,
    Setup,
    Shard,
    Silent,
    computing_with,
    jobs_of,
    run,
)
from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.metrics import metric_names
from cortexscope.models import Reference, choose_dtype, expand, parse_reference
from cortexscope.registry import suggestion
from cortexscope.remote import is_url
from cortexscope.report.compared import MARGIN
from cortexscope.store import Run, SideWriter, local_folder
from cortexscope.tasks import load_suite

__all__ = ["Extras", "compare_request", "compared", "planned"]

_ALWAYS = "bits_per_byte"
"""The metric that every comparison has, whatever else was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a comparison is asked for besides a run of its models."""

    baseline: str | None = None
    """The label of the model that the others are compared with, or a file of `save_baseline`; where
    None the first model, or the last checkpoint where all are of one training."""
    noise_floor: bool = False
    """Compare the baseline with itself in bfloat16 too."""
    conditions: tuple[str, ...] = ()
    """Such as `kl.upper > 0.02`: what must not hold of any model."""
    margin: float = MARGIN
    """Bits per byte by which a model may be worse and still pass for as good."""
    save_baseline: Path | None = None
    """A file for what the baseline predicts, to compare with it without the model."""


def compare_request(
    models: Sequence[str],
    request: RunRequest,
    extras: Extras,
    progress: Progress | None = None,
) -> Comparison:
    """Compare models, or what runs have of them.

    Args:
        models: references, or folders of runs or their URLs.
        request: of a run of models; its own models are not read.
        extras: what is asked for besides.
        progress: told what happens.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model is not there, or none can be measured.
        StoreError: if a folder cannot be read or written.
    """
    models = [str(local_folder(own)) if is_url(own) else own for own in models]
    folders = [own for own in models if is_run(own)]
    if not folders:
        request = replace(request, models=tuple(models))
        return Comparison(compared(request, extras, progress), margin=extras.margin)
    if len(folders) < len(models):
        other = next(own for own in models if own not in folders)
        raise UsageError(
            f"{folders[0]} is a run and {other} a model; give the references of all models, or the "
            "folders of runs alone."
        )
    if extras.noise_floor or extras.save_baseline:
        raise UsageError(
            "--noise-floor and --save-baseline read models, and folders of runs were given; give "
            "the models' references."
        )
    found = compared_runs(folders, request.out, baseline=extras.baseline, resume=request.resume)
    comparison = Comparison(found, margin=extras.margin)
    comparison.check(extras.conditions)
    return comparison


def compared(request: RunRequest, extras: Extras, progress: Progress | None = None) -> Run:
    """Measure the models of a request, and let each read beside the one that it is compared with.

    All that can be known beforehand to be wrong is found before anything is measured.

    Returns:
        The finished run folder, with the pairs in it.

    Raises:
        UsageError: if the request cannot be carried out as it stands.
        ModelError: if a model is not there, or none can be measured.
        StoreError: if the folder cannot be written.
    """
    progress = progress or Silent()
    names = metric_names(request.metrics, plugins=request.plugins)
    request = replace(
        request,
        models=expand(request.models),
        metrics=tuple(dict.fromkeys([*names, _ALWAYS])),
        suite=load_suite(request.suite),
    )
    labels = [parse_reference(reference).label for reference in request.models]
    saved = _saved(extras, labels)
    base = saved.label if saved else _chosen(extras.baseline, request.models)
    _check(extras, labels, saved, request)
    conditions(request, extras)
    finished = run(request, progress)
    measured = [own for own in labels if own not in finished.manifest.failures]
    if saved is None and base not in measured:
        return finished
    models = [own for own, label in zip(request.models, labels, strict=True) if label in measured]
    plans = planned(replace(request, models=tuple(models)))
    ours, bits = saved or base_of(plans[base]), bits_of(finished)
    pairs = [(other, False) for label, other in plans.items() if saved or label != base]
    if extras.noise_floor:
        pairs.append((plans[base].in_bfloat16(), True))
    with computing_with(request.settings.threads):
        with SideWriter(finished.path) as writer:
            for other, noise in pairs:
                write_pair(writer, ours, other, noise=noise, bits=bits, progress=progress)
        if extras.save_baseline is not None:
            save_base(extras.save_baseline, plans[base], progress)
    return Run(finished.path)


def conditions(request: RunRequest, extras: Extras) -> tuple[Condition, ...]:
    """Return the conditions of a comparison, all of whose names are known.

    Raises:
        UnknownNameError: if a name is misspelt.
        UsageError: if one is no condition.
    """
    tasks = request.tasks or load_suite(request.suite).info().tasks
    return tuple(
        parsed(own, metrics=request.metrics or (), tasks=tasks) for own in extras.conditions
    )


def _saved(extras: Extras, labels: Sequence[str]) -> Base | None:
    """Return the baseline where it is a file, and no model's name."""
    name = extras.baseline
    if name is None or name in labels or not is_saved(name):
        return None
    return open_saved(Path(name))


def _check(extras: Extras, labels: Sequence[str], saved: Base | None, request: RunRequest) -> None:
    if saved is not None:
        if saved.label in labels:
            raise UsageError(
                f"The baseline in {extras.baseline} is called {saved.label!r}, and so is a model; "
                f"give the model another name, such as other={saved.label}."
            )
        if extras.noise_floor or extras.save_baseline:
            raise UsageError(
                "--noise-floor and --save-baseline read the baseline, and it is a file; name a "
                "model as the baseline, or leave them out."
            )
    elif len(labels) < 2 and not (extras.noise_floor or extras.save_baseline):
        raise UsageError(
            "A comparison needs two models, and one was named; name another, or ask for "
            "--noise-floor, which compares it with itself in bfloat16."
        )
    dtype = str(choose_dtype(request.settings.loading.dtype))
    if extras.noise_floor and dtype == "torch.bfloat16":
        raise UsageError(
            "--noise-floor loads the baseline in bfloat16 a second time, and it is loaded in that "
            "already; leave --dtype out, or leave out --noise-floor."
        )


def _chosen(baseline: str | None, references: Sequence[str]) -> str:
    parsed = [parse_reference(own) for own in references]
    labels = [own.label for own in parsed]
    if not labels:
        raise UsageError("No model was named; name two, such as demo-decoder and tuned=./folder.")
    if baseline is not None and baseline not in labels:
        raise UnknownNameError(
            f"The baseline {baseline!r} is none of the models, and no file; "
            f"{suggestion(baseline, labels)}"
        )
    return baseline or _last_of_all(parsed) or labels[0]


def _last_of_all(models: Sequence[Reference]) -> str | None:
    """Return the last checkpoint where all models are of one training, enough for its course."""
    steps = {own.label: own.checkpoint for own in models}
    known = {label: own for label, own in steps.items() if own is not None}
    if len(known) < max(len(models), FEWEST) or len({own.of for own in known.values()}) > 1:
        return None
    return max(known, key=lambda label: known[label].step)


def planned(request: RunRequest) -> dict[str, Planned]:
    """Return what is read of each model, by its label."""
    found: dict[str, tuple[Setup, list[Shard]]] = {}
    for job in jobs_of(request):
        if isinstance(job.work, Shard):
            found.setdefault(job.setup.info.model, (job.setup, []))[1].append(job.work)
    return {label: Planned(setup, shards) for label, (setup, shards) in found.items()}
