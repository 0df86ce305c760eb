"""Read configurations whose layers may differ."""

from __future__ import annotations

from typing import Any

__all__ = ["of_layer", "setting"]


def setting(config: object, name: str) -> Any:  # noqa: ANN401 - a setting may be anything
    """Return what a configuration gives under a name, None where nothing.

    Where that differs from layer to layer, transformers refuses to say; then it is a list, with
    one value a layer.
    """
    if name in (getattr(config, "per_layer_attributes", None) or ()):
        return [getattr(one, name, None) for one in config.per_layer_config]  # type: ignore[attr-defined]
    return getattr(config, name, None)


def of_layer(config: object, layer: int) -> object:
    """Return the configuration of one layer, from 1; the same for all where they do not differ."""
    if getattr(config, "per_layer_attributes", None):
        return config.per_layer_config[layer - 1]  # type: ignore[attr-defined]
    return config
