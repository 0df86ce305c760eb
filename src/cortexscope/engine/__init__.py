"""Drive models, taps, metrics and the store; one file a backend.

What needs torch, or statistics, is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cortexscope.engine._generation import Generation, asked_generation
from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.engine._run import run

if TYPE_CHECKING:
    from cortexscope.engine._attach import Probe, attach
    from cortexscope.engine._lengths import LengthMatched, match_lengths
    from cortexscope.engine._selfcheck import selfcheck

__all__ = [
    "Generation",
    "LengthMatched",
    "Probe",
    "Progress",
    "RunRequest",
    "Settings",
    "Silent",
    "asked_generation",
    "attach",
    "match_lengths",
    "run",
    "selfcheck",
]

_HOMES = {
    "LengthMatched": "_lengths",
    "Probe": "_attach",
    "attach": "_attach",
    "match_lengths": "_lengths",
    "selfcheck": "_selfcheck",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name in _HOMES:
        return getattr(importlib.import_module(f"cortexscope.engine.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
