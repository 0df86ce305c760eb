"""Why a panel, or a model in it, is not drawn."""

from __future__ import annotations

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain

__all__ = ["absence"]


def absence(
    frames: RunFrames, labels: Labels, metric: str, models: list[str], *, stack: str | None = None
) -> tuple[str, ...]:
    """Return sentences on the models that have no value of a metric, one a reason.

    Args:
        frames: of the run.
        labels: of its metrics.
        metric: which one.
        models: those without a value.
        stack: which one is meant, each model's primary one where None.
    """
    if metric not in frames.metrics:
        return (f"{labels.title(metric)} was not measured in this run.",)
    if not models:
        return ()
    missing = frames.missing([metric])
    missing = frames.primary(missing) if stack is None else missing[missing["stack"] == stack]
    where = "" if stack is None else f" in the {stack} stack"
    by_reason: dict[str, list[str]] = {}
    for model in models:
        reasons = missing[missing["model"] == model]["reason"]
        why = "; ".join(dict.fromkeys(str(reason) for reason in reasons)) or "nothing measured yet"
        by_reason.setdefault(why, []).append(plain(model))
    return tuple(
        f"{labels.title(metric)} has no value{where} for {', '.join(names)} ({why})."
        for why, names in by_reason.items()
    )
