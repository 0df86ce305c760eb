"""Models: what a reference means, where its files are, and the module that holds its weights.

Nothing that needs torch is imported before one of these names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortexscope.models._anatomy import Anatomy, StackAnatomy, find_anatomy
    from cortexscope.models._block import Block
    from cortexscope.models._catalog import Entry, aliases, catalog, preset
    from cortexscope.models._chat import Chat, open_chat
    from cortexscope.models._check import Check, check_entry
    from cortexscope.models._describe import decoder_start_of, stack_kind_of
    from cortexscope.models._generation import CachedPasses, Memory, ending_tokens
    from cortexscope.models._inspect import Part, describe_parts
    from cortexscope.models._lists import known_part
    from cortexscope.models._loading import Model, ModelSource, load_model, open_model
    from cortexscope.models._options import LoadOptions
    from cortexscope.models._placement import choose_device, choose_dtype
    from cortexscope.models._reference import Reference, parse_reference
    from cortexscope.models._selection import expand, select
    from cortexscope.models._switches import LengthRule, Switch, Switches, find_switches

__all__ = [
    "Anatomy",
    "Block",
    "CachedPasses",
    "Chat",
    "Check",
    "Entry",
    "LengthRule",
    "LoadOptions",
    "Memory",
    "Model",
    "ModelSource",
    "Part",
    "Reference",
    "StackAnatomy",
    "Switch",
    "Switches",
    "aliases",
    "catalog",
    "check_entry",
    "choose_device",
    "choose_dtype",
    "decoder_start_of",
    "describe_parts",
    "ending_tokens",
    "expand",
    "find_anatomy",
    "find_switches",
    "known_part",
    "load_model",
    "open_chat",
    "open_model",
    "parse_reference",
    "preset",
    "select",
    "stack_kind_of",
]

_MODULES = {
    "Anatomy": "_anatomy",
    "Block": "_block",
    "CachedPasses": "_generation",
    "Chat": "_chat",
    "Check": "_check",
    "Entry": "_catalog",
    "LengthRule": "_switches",
    "LoadOptions": "_options",
    "Memory": "_generation",
    "Model": "_loading",
    "ModelSource": "_loading",
    "Part": "_inspect",
    "Reference": "_reference",
    "StackAnatomy": "_anatomy",
    "Switch": "_switches",
    "Switches": "_switches",
    "aliases": "_catalog",
    "catalog": "_catalog",
    "check_entry": "_check",
    "choose_device": "_placement",
    "choose_dtype": "_placement",
    "decoder_start_of": "_describe",
    "describe_parts": "_inspect",
    "ending_tokens": "_generation",
    "expand": "_selection",
    "find_anatomy": "_anatomy",
    "find_switches": "_switches",
    "known_part": "_lists",
    "load_model": "_loading",
    "open_chat": "_chat",
    "open_model": "_loading",
    "parse_reference": "_reference",
    "preset": "_catalog",
    "select": "_selection",
    "stack_kind_of": "_describe",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - each name has its own type
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
