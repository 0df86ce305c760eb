"""See what happens inside a language model while it reads.

    profile       measure models on a suite of prompts, and read the result
    open_profile  read the result of an earlier run
    attach        measure inside a loop of your own
    selfcheck     prove on a model itself that it is measured rightly
    load_model    a model by its reference, as cortexscope loads it
    load_suite    a suite of prompts by name or path

Importing this package imports none of torch, pandas or matplotlib; each comes when it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cortexscope._version import __version__

if TYPE_CHECKING:
    from cortexscope.engine import Generation, Probe, Settings, attach, selfcheck
    from cortexscope.errors import CortexscopeError
    from cortexscope.models import Model, load_model
    from cortexscope.profiles import Profile, open_profile, profile
    from cortexscope.records import Manifest, MetricSpec, ModelInfo, Prompt
    from cortexscope.tasks import Suite, load_suite

__all__ = [
    "CortexscopeError",
    "Generation",
    "Manifest",
    "MetricSpec",
    "Model",
    "ModelInfo",
    "Probe",
    "Profile",
    "Prompt",
    "Settings",
    "Suite",
    "__version__",
    "attach",
    "load_model",
    "load_suite",
    "open_profile",
    "profile",
    "selfcheck",
]

_HOMES = {
    "CortexscopeError": "errors",
    "Generation": "engine",
    "Manifest": "records",
    "MetricSpec": "records",
    "Model": "models",
    "ModelInfo": "records",
    "Probe": "engine",
    "Profile": "profiles",
    "Prompt": "records",
    "Settings": "engine",
    "Suite": "tasks",
    "attach": "engine",
    "load_model": "models",
    "load_suite": "tasks",
    "open_profile": "profiles",
    "profile": "profiles",
    "selfcheck": "engine",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name in _HOMES:
        return getattr(importlib.import_module(f"cortexscope.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'cortexscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
