"""Ask for a run again, of nothing but what its folder says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from cortexscope.engine._generation import Generation
from cortexscope.engine._request import RunRequest, Settings
from cortexscope.errors import CorruptRunError, UnknownNameError, UsageError
from cortexscope.metrics import MetricOptions
from cortexscope.models import LoadOptions, parse_reference
from cortexscope.records import ModelInfo, suite_hash
from cortexscope.registry import suggestion
from cortexscope.store import Run
from cortexscope.tasks import Suite, Task

__all__ = ["request_of"]


def request_of(
    run: Run,
    out: Path,
    *,
    models: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    device: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
) -> RunRequest:
    """Return the request of a run that is there, to be measured again elsewhere.

    Prompts are those that the run folder holds, controls included, and a model of the hub is asked
    for in the revision that was read. What may run code is not taken from the folder, which may be
    another's.

    Args:
        run: what is to be repeated.
        out: the new run folder.
        models: where models are by now, as `LABEL=REF`; the others are where they were.
        plugins: the files of metrics that are no part of cortexscope.
        device: to measure on; the one that it was where None.
        allow_pickle: whether pickle weights may be read, whatever the run was allowed.
        trust_remote_code: whether code of a model's repository may run, likewise.

    Raises:
        UnknownNameError: if a model is named that the run has not.
        CorruptRunError: if the folder does not hold the prompts that were read, or tells settings
            that no run has.
    """
    manifest = run.manifest
    labels = [info.model for info in manifest.models]
    moved = {parse_reference(reference).label: reference for reference in models}
    for label in moved:
        if label not in labels:
            raise UnknownNameError(
                f"{run.path} has no model {label!r}; {suggestion(label, labels)}"
            )
    settings = _settings(run)
    loading = replace(
        settings.loading, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code
    )
    if device is not None:
        loading = replace(loading, device=device)
    return RunRequest(
        models=tuple(moved.get(info.model, _reference(info)) for info in manifest.models),
        suite=_suite(run),
        metrics=tuple(manifest.metrics),
        plugins=tuple(plugins),
        out=out,
        settings=replace(settings, loading=loading),
        selfcheck=bool(manifest.checks),
    )


def _reference(info: ModelInfo) -> str:
    reference = info.reference
    parsed = parse_reference(reference)
    if parsed.kind == "hub" and info.revision and parsed.revision is None and not parsed.adapter:
        reference = f"{reference}@{info.revision}"
    return f"{info.model}={reference}"


def _settings(run: Run) -> Settings:
    """Return the settings that a manifest tells; what it does not tell is as by default."""
    from pydantic import TypeAdapter, ValidationError

    told = run.manifest.settings
    generate = told.get("generate")
    own = _known(Settings, told) | {
        "loading": _loading(told),
        "options": _known(MetricOptions, told),
        "generate": _known(Generation, generate) if isinstance(generate, dict) else generate,
    }
    try:
        # Of JSON, as that has the types that are asked for and no others.
        return TypeAdapter(Settings).validate_json(json.dumps(own), strict=True)
    except (ValidationError, UsageError) as error:
        why = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise CorruptRunError(
            f"{run.path / 'manifest.json'} tells settings that no run has ({why.rstrip('.')}); "
            "measure the suite itself with `cortexscope run`."
        ) from error


def _loading(told: Mapping[str, Any]) -> dict[str, Any]:
    # With a device map the manifest tells no device, as no single one is asked for.
    return {
        name: value
        for name, value in _known(LoadOptions, told).items()
        if (name, value) != ("device", None)
    }


def _known(kind: type[Any], told: Mapping[str, Any]) -> dict[str, Any]:
    return {own.name: told[own.name] for own in fields(kind) if own.name in told}


def _suite(run: Run) -> Suite:
    info = run.manifest.suite
    prompts = run.prompt_records()
    tasks = {name: [own for own in prompts if own.task == name] for name in info.tasks}
    if suite_hash(tasks.items()) != info.hash:
        raise CorruptRunError(
            f"{run.path / 'prompts.parquet'} does not hold the prompts that the manifest names: "
            "it was changed, or is of conversations from before their turns were kept; measure "
            "the suite itself with `cortexscope run`."
        )
    return Suite(
        info.name,
        info.version,
        tuple(Task(name, "", tuple(own)) for name, own in tasks.items()),
        readings=tuple(info.readings),
        sampling=info.sampling,
    )
