"""Figures of architectures: each is recomputed, in the digits quoted."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check
from cortexscope.audit._words import counted, spoken
from cortexscope.audit.kinds._compared import compared, figures_agree
from cortexscope.audit.kinds._kind import Kind

__all__ = ["ArchitectureFigures"]


class ArchitectureFigures(Kind):
    """Figures of architectures, by metric."""

    kind: Literal["architecture_figures"]
    values: dict[str, dict[str, str]]

    def judge(self, evidence: Evidence) -> Check:
        """Recompute averages of architectures, over models."""
        return figures_agree(
            evidence,
            [
                compared(
                    f"{spoken(metric)}, {kind}s",
                    text,
                    evidence.architecture(metric, kind),
                    metric=metric,
                    note=f"n = {counted(len(evidence.models_of(metric, kind)), 'model')}",
                )
                for kind, claimed in self.values.items()
                for metric, text in claimed.items()
            ],
        )
