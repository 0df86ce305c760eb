"""Why a panel, or a model in it, is not drawn."""

from __future__ import annotations

from cortexscope.report._frames import RunFrames
from cortexscope.report._labels import Labels, plain

__all__ = ["absence"]


def absence(frames: RunFrames, labels: Labels, metric: str, models: list[str]) -> tuple[str, ...]:
    """Return sentences on the models that have no value of a metric, one a reason."""
    if metric not in frames.metrics:
        return (f"{labels.title(metric)} was not measured in this run.",)
    missing = frames.missing[frames.missing["metric"] == metric]
    by_reason: dict[str, list[str]] = {}
    for model in models:
        reasons = missing[missing["model"] == model]["reason"]
        why = "; ".join(dict.fromkeys(str(reason) for reason in reasons)) or "nothing measured yet"
        by_reason.setdefault(why, []).append(plain(model))
    return tuple(
        f"{labels.title(metric)} has no value for {', '.join(names)} ({why})."
        for why, names in by_reason.items()
    )
