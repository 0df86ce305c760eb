"""Models: what a reference means, where its files are, and the module that holds its weights.

Nothing that needs torch is imported before one of these names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortexscope.models._anatomy import Anatomy, find_anatomy
    from cortexscope.models._catalog import Entry, aliases, catalog, preset
    from cortexscope.models._describe import stack_kind_of
    from cortexscope.models._loading import LoadOptions, Model, ModelSource, load_model, open_model
    from cortexscope.models._placement import choose_device
    from cortexscope.models._reference import Reference, parse_reference

__all__ = [
    "Anatomy",
    "Entry",
    "LoadOptions",
    "Model",
    "ModelSource",
    "Reference",
    "aliases",
    "catalog",
    "choose_device",
    "find_anatomy",
    "load_model",
    "open_model",
    "parse_reference",
    "preset",
    "stack_kind_of",
]

_MODULES = {
    "Anatomy": "_anatomy",
    "Entry": "_catalog",
    "LoadOptions": "_loading",
    "Model": "_loading",
    "ModelSource": "_loading",
    "Reference": "_reference",
    "aliases": "_catalog",
    "catalog": "_catalog",
    "choose_device": "_placement",
    "find_anatomy": "_anatomy",
    "load_model": "_loading",
    "open_model": "_loading",
    "parse_reference": "_reference",
    "preset": "_catalog",
    "stack_kind_of": "_describe",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has its own type
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
