"""What a notebook shows: a bar while models are read, and what was measured, as HTML."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterable
from html import escape
from typing import Any

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

    def note(self, text: str) -> None:
        """Print a line."""
        print(text)

    def begin(self, model: str, tokens: int, done: int) -> None:
        """Show a bar for a model."""
        self._model, self._all, self._done, self._new = model, tokens, done, 0
        self._started = self._drawn = time.perf_counter()
        self._handle = _display(self._html(), None)

    def advance(self, tokens: int) -> None:
        """Move the bar."""
        self._done += tokens
        self._new += tokens
        if time.perf_counter() - self._drawn >= _EVERY:
            self._draw()

    def end(self) -> None:
        """Leave the bar as it stands."""
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.perf_counter()
        self._handle = _display(self._html(), self._handle)

    def _html(self) -> str:
        rate = self._new / max(time.perf_counter() - self._started, 1e-9)
        return (
            f'<progress max="{self._all}" value="{self._done}"></progress> {escape(self._model)}: '
            f"{self._done:,} of {self._all:,} tokens, {rate:,.0f} a second"
        )


def _display(html: str, handle: Any) -> Any:  # noqa: ANN401 - IPython's, which may not be there
    """Show HTML under the cell, or in place of what is shown there, and return its handle."""
    shown = importlib.import_module("IPython.display")
    if handle is None:
        return shown.display(shown.HTML(html), display_id=True)
    handle.update(shown.HTML(html))
    return handle
