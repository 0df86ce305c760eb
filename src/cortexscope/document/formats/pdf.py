"""Print a document as PDF: its HTML page, by a browser of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cortexscope.document.formats.html import render as as_html
from cortexscope.errors import UsageError

if TYPE_CHECKING:
    from cortexscope.document._document import Document

__all__ = ["render"]

_BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge", "brave-browser",
)  # fmt: skip
_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)
_LONGEST = 300
"""Seconds."""
_DRAWN = 60_000
"""Milliseconds of the page's own clock, in which its figures are drawn; it ends sooner if idle."""


def render(document: Document) -> bytes:
    """Return a document as PDF, printed without a window and without a network.

    Raises:
        UsageError: if there is no browser, or it cannot print.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise UsageError(
            "A PDF is printed by Chromium, Chrome or Edge, and none of them is installed; install "
            "one, or open the HTML report in any browser and print it there."
        )
    with tempfile.TemporaryDirectory(prefix="cortexscope-") as name:
        folder = Path(name)
        page, printed = folder / "page.html", folder / "page.pdf"
        page.write_text(as_html(document), encoding="utf-8")
        # Of root a browser's own sandbox is refused; the page's policy lets nothing in either way.
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", *root,
            f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={_DRAWN}",
            "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST, check=False)
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"{browser} did not print the page within {_LONGEST} seconds; open the HTML report "
                "in a browser and print it there."
            ) from None
        if not printed.is_file() or not printed.stat().st_size:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise UsageError(
                f"{browser} could not print the page ({said[-1] if said else 'it said nothing'}); "
                "open the HTML report in a browser and print it there."
            )
        return _dated(printed.read_bytes(), document.made or _UNDATED)


def _dated(printed: bytes, made: datetime) -> bytes:
    """Return a file whose dates are of its content, so that it is the same each time."""
    date = made.astimezone(UTC).strftime("%Y%m%d%H%M%S").encode()
    # Of one length, since the file's index counts bytes.
    return re.sub(rb"(/(?:Creation|Mod)Date \(D:)\d{14}", rb"\g<1>" + date, printed)
