"""The sections of a report: one file each, made of a run."""

from __future__ import annotations

from cortexscope.registry import Registry

__all__ = ["SECTIONS"]

SECTIONS = Registry(
    "section",
    {
        key: f"cortexscope.report.sections.{key}:build"
        for key in (
            "answer",
            "compared",
            "training",
            "lesion",
            "outcomes",
            "tasks",
            "columns",
            "models",
            "layers",
            "heads",
            "neurons",
            "prompts",
            "length",
            "metrics",
            "brain",
            "method",
            "missing",
        )
    },
)
"""Key of a section -> what makes it of a run as `Shown`, in the order of the report; None where the
run has nothing of the kind.

Other packages add some in the group `cortexscope.sections`.
"""
