"""What the run's metrics mean."""

from __future__ import annotations

from cortexscope.document import UNDEFINED, Definition, Definitions, Fold, Section, Span
from cortexscope.report._shown import Shown

__all__ = ["build"]


def build(shown: Shown) -> Section:
    """Return a definition a metric, those without a measurement among them."""
    names = dict.fromkeys([*shown.manifest.metrics, *shown.frames.metrics])
    made = Definitions(tuple(_of(shown, name) for name in names))
    summary = f"What each of {len(names)} metrics is, with its unit, version and source"
    return Section("definitions", "Definitions", (Fold(summary, (made,)),))


def _of(shown: Shown, name: str) -> Definition:
    spec = shown.labels.specs.get(name)
    details = [
        f", version {spec.version if spec else UNDEFINED}",
        *([spec.source] if spec and spec.source else []),
        *([] if name in shown.frames.metrics else ["no measurement in this run"]),
    ]
    return Definition(
        term=shown.labels.title(name),
        meaning=spec.definition if spec else "",
        details=(Span(name, "code"), " · ".join(details)),
        unit=shown.labels.unit(name),
    )
