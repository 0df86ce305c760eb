"""Drive models, taps, metrics and the store; one file a backend.

What needs torch is imported when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cortexscope.engine._request import Progress, RunRequest, Settings, Silent
from cortexscope.engine._run import run

if TYPE_CHECKING:
    from cortexscope.engine._attach import Probe, attach
    from cortexscope.engine._selfcheck import selfcheck

__all__ = ["Probe", "Progress", "RunRequest", "Settings", "Silent", "attach", "run", "selfcheck"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class or a function
    if name in ("Probe", "attach"):
        return getattr(importlib.import_module("cortexscope.engine._attach"), name)
    if name == "selfcheck":
        return importlib.import_module("cortexscope.engine._selfcheck").selfcheck
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
