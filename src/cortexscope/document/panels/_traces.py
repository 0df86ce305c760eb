"""Traces of plotly as plain data, which it checks when they are drawn."""

from __future__ import annotations

from typing import Any

__all__ = ["heat_map", "scatter"]

Trace = dict[str, Any]


def scatter(**parts: Any) -> Trace:  # noqa: ANN401 - of plotly
    """Return points and lines, of what `graph_objects.Scatter` takes."""
    return {"type": "scatter", **parts}


def heat_map(**parts: Any) -> Trace:  # noqa: ANN401
    """Return cells by colour, of what `graph_objects.Heatmap` takes."""
    return {"type": "heatmap", **parts}
