"""The workbook of results: findings, models, tasks, families, layers, every prompt's values."""

from __future__ import annotations

from cortexscope.report.workbooks._workbook import Workbook

__all__ = ["build"]

build = Workbook(
    title="Results",
    sheets=(
        *("insights", "profiles", "task_analysis", "families", "networks"),
        *("raw", "failed", "definitions"),
    ),
)
