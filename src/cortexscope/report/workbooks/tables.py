"""The workbook of tables: every mean with its interval, and what is compared with what."""

from __future__ import annotations

from cortexscope.report.workbooks._workbook import Workbook

__all__ = ["build"]

build = Workbook(
    title="Tables",
    sheets=(
        *("master", "task_summary", "model_comparison", "bands", "leaders"),
        *("statements", "matrix", "definitions"),
    ),
)
