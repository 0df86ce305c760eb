"""Plan a run, have its jobs done, and store what is measured.

What needs torch, or statistics, is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cortexscope.engine._generation import Generation, asked_generation
from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.engine._run import jobs_of, run

if TYPE_CHECKING:
    from cortexscope.engine._lengths import LengthMatched, match_lengths

__all__ = [
    "Generation",
    "LengthMatched",
    "Progress",
    "RunRequest",
    "Settings",
    "Silent",
    "asked_generation",
    "jobs_of",
    "match_lengths",
    "run",
]

_HOMES = {
    "LengthMatched": "_lengths",
    "match_lengths": "_lengths",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name in _HOMES:
        return getattr(importlib.import_module(f"cortexscope.engine.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
