"""What becomes of a run's plan when it goes on: what failed may be mended or dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cortexscope.records import Manifest
from cortexscope.store._differences import differences
from cortexscope.store._layout import Layout
from cortexscope.store._mending import mended_metrics, to_measure_anew

__all__ = ["Continued", "continued"]

_Value = TypeVar("_Value")

_BY_MODEL = ("timings", "memory", "checks", "ungenerated", "halved", "failed_metrics")
"""What a run notes of its models while it measures them."""


class Continued(NamedTuple):
    """A plan that goes on."""

    manifest: Manifest
    differences: list[str]
    """Sentences on what must not have changed and has."""
    dropped: list[str]
    """The labels of models that failed and are not asked for any more."""


def continued(before: Layout, asked: Manifest) -> Continued:
    """Return the plan of a run that goes on as it is asked for now.

    A model of which nothing is finished is taken as it is now, and may be left out if it failed.
    So is a plug-in of which a metric failed: all that it gave is measured again.
    Where nothing of any model is finished, there is no plan to keep to.

    Args:
        before: the run as it stands.
        asked: what it is asked for now.
    """
    old = before.manifest
    had = {info.model: info for info in old.models}
    now = {info.model: info for info in asked.models}
    begun = {model for model in had if any(map(Path.is_file, before.planned(model)))}
    if not begun:
        return Continued(asked, [], [])
    kept = {model for model in had if model in begun or model in asked.failures}
    labels = {*now, *asked.failures}
    added = labels - {*had, *old.failures}
    gone = {*had, *old.failures} - labels
    found = [f"{model} was not asked for" for model in sorted(added)]
    found += [
        f"{model} is no longer asked for and has not failed"
        for model in sorted(gone - {*old.failures})
    ]
    found += [
        f"{model} is no longer asked for and has finished shards, which would be lost"
        for model in sorted(gone & begun & {*old.failures})
    ]
    both = kept & now.keys()
    mended = mended_metrics(old, asked)
    found += differences(_of(old, both, mended), _of(asked, both, mended))
    kept -= gone
    numbers = _numbers(before, asked, labels & {*had, *now})
    infos = [had[model] if model in kept else now[model] for model in numbers]
    whole = {model for model in begun if all(map(Path.is_file, before.planned(model)))}
    failures = {model: why for model, why in old.failures.items() if model in labels}
    failures |= {model: why for model, why in asked.failures.items() if model not in whole}
    changes: dict[str, Any] = {
        "models": infos,
        "truncations": [
            own
            for model in numbers
            for own in (old if model in kept else asked).truncations
            if own.model == model
        ],
        "failures": failures,
        "numbers": {} if [*numbers.values()] == [*range(len(numbers))] else numbers,
    }
    for name in ("shards", "chats", "notes"):
        own, new = getattr(old, name), getattr(asked, name)
        changes[name] = _only(own, kept) | _only(new, numbers.keys() - kept)
    for name in _BY_MODEL:
        changes[name] = _only(getattr(old, name), numbers)
    if mended:
        changes |= {
            "metrics": {n: asked.metrics.get(n, own) for n, own in old.metrics.items()},
            "settings": old.settings | {"plugins": asked.settings["plugins"]},
            "failed_metrics": {
                model: found_there
                for model in had.keys() & numbers
                if (
                    found_there := [
                        *(
                            own
                            for own in old.failed_metrics.get(model, ())
                            if own.metric not in mended
                        ),
                        *to_measure_anew(before, model, mended),
                    ]
                )
            },
        }
    return Continued(old.model_copy(update=changes), found, sorted(gone & had.keys()))


def _only(values: Mapping[str, _Value], models: Collection[str]) -> dict[str, _Value]:
    return {model: value for model, value in values.items() if model in models}


def _of(manifest: Manifest, models: Collection[str], mended: Collection[str]) -> dict[str, Any]:
    """Return what must be the same when a run goes on, of these models, but of these metrics."""
    told = manifest.model_dump(exclude={"failures", "numbers"})
    told["metrics"] = {name: own for name, own in told["metrics"].items() if name not in mended}
    plugins = told["settings"].get("plugins", {})
    told["settings"]["plugins"] = {n: own for n, own in plugins.items() if n not in mended}
    told["models"] = sorted(
        (own for own in told["models"] if own["model"] in models), key=lambda own: own["model"]
    )
    told["truncations"] = [own for own in told["truncations"] if own["model"] in models]
    for name in ("shards", "chats", "notes"):
        told[name] = _only(told[name], models)
    return told


def _numbers(before: Layout, asked: Manifest, models: Collection[str]) -> dict[str, int]:
    """Return the numbers of a run's models, in order; those that it had before stay."""
    had = {info.model for info in before.manifest.models}
    numbers = {model: before.position(model) for model in had if model in models}
    taken = {before.position(model) for model in had}
    fresh = Layout(before.path, asked)
    for info in asked.models:
        if info.model in numbers:
            continue
        number = fresh.position(info.model)
        # A dropped model shifts the places of those behind it.
        number = max(taken) + 1 if number in taken else number
        numbers[info.model] = number
        taken.add(number)
    return dict(sorted(numbers.items(), key=lambda own: own[1]))
