"""Workbooks of a run: one file each, which names its sheets; a sheet is one file in `sheets/`."""

from __future__ import annotations

from cortexscope.registry import Registry

__all__ = ["WORKBOOKS"]

WORKBOOKS = Registry(
    "workbook",
    {key: f"cortexscope.report.workbooks.{key}:build" for key in ("results", "tables")},
)
"""Key of a workbook, which names its file too -> what makes its document of frames and labels.

Other packages add some in the group `cortexscope.workbooks`.
"""
