"""What a notebook shows: a bar while models are read, and what was measured, as HTML."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from html import escape
from typing import Any

from cortexscope.pace import Pace

__all__ = ["NotebookBar", "facts_as_html", "in_notebook"]

_EVERY = 0.2
"""Seconds between two drawings of a bar."""


def in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this; IPython on a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def facts_as_html(title: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return facts as an HTML table of names and texts, all escaped.

    Example:
        >>> facts_as_html("Profile", [("models", "a<b")])
        '<b>Profile</b><table><tr><th>models</th><td>a&lt;b</td></tr></table>'
    """
    rows = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in facts)
    return f"<b>{escape(title)}</b><table>{rows}</table>"


class NotebookBar:
    """A progress that draws a bar a model under the cell, and prints lines as they come."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Pace, Any]] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        print(text)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Show a bar for a model."""
        pace = Pace(tokens, done)
        self._running[model] = pace, _display(_html(model, pace), None)

    def advance(self, model: str, tokens: int) -> None:
        """Move a model's bar."""
        pace, handle = self._running[model]
        pace.advance(tokens)
        if pace.due(_EVERY):
            _display(_html(model, pace), handle)

    def end(self, model: str) -> None:
        """Leave a model's bar as it stands."""
        pace, handle = self._running.pop(model)
        _display(_html(model, pace), handle)


def _html(model: str, pace: Pace) -> str:
    return (
        f'<progress max="{pace.tokens}" value="{pace.done}"></progress> {escape(model)}: '
        f"{pace.done:,} of {pace.tokens:,} tokens, {pace.rate:,.0f} a second"
    )


def _display(html: str, handle: Any) -> Any:  # noqa: ANN401 - IPython's, which may not be there
    """Show HTML under the cell, or in place of what is shown there, and return its handle."""
    shown = importlib.import_module("IPython.display")
    if handle is None:
        return shown.display(shown.HTML(html), display_id=True)
    handle.update(shown.HTML(html))
    return handle
