"""What a plug-in that was mended after it failed means for a run that goes on."""

from __future__ import annotations

from collections.abc import Collection

from cortexscope.records import Manifest, MetricFailure
from cortexscope.store._layout import WHOLES, Layout

__all__ = ["mended_metrics", "to_measure_anew"]

_CHANGED = "its plug-in has changed since this was measured"


def mended_metrics(old: Manifest, asked: Manifest) -> frozenset[str]:
    """Return the metrics whose plug-in is another one now, and may be: a metric of it failed.

    Args:
        old: the run as it stands.
        asked: what it is asked for now.
    """
    had, now = (own.settings.get("plugins", {}) for own in (old, asked))
    failed = {own.metric for metrics in old.failed_metrics.values() for own in metrics}
    files = {had[name] for name in failed if name in had}
    return frozenset(
        name for name, own in had.items() if own in files and now.get(name, own) != own
    )


def to_measure_anew(layout: Layout, model: str, mended: Collection[str]) -> list[MetricFailure]:
    """Return where a model has values of metrics as they were before.

    Args:
        layout: of the run as it stands.
        model: its label.
        mended: the metrics.
    """
    shards = range(layout.manifest.shards[model])
    parts: list[int | str] = [n for n in shards if layout.shard(model, n).is_file()]
    parts += [unit for unit, name in WHOLES.items() if layout.whole(model, name).is_file()]
    return [MetricFailure(metric=name, why=_CHANGED, parts=parts) for name in mended if parts]
