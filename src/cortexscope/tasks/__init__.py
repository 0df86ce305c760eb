"""Prompts grouped by cognitive task: how suites are read, hashed, and checked."""

from cortexscope.tasks._lint import Finding, lint
from cortexscope.tasks._loading import load_suite, suite_names
from cortexscope.tasks._suite import Suite, Task

__all__ = ["Finding", "Suite", "Task", "lint", "load_suite", "suite_names"]
