"""The tables: those of the study, and more."""

from __future__ import annotations

from cortexscope.document import UNDEFINED, Prose, Section, Span
from cortexscope.report._shown import Shown
from cortexscope.report.tables import number_of

__all__ = ["build"]


def build(shown: Shown) -> Section:
    """Return every table."""
    first, last = number_of("complete"), number_of("top")
    prose = Prose(
        (
            (
                f"Tables {first} to {last} have the layout of the published study; further metrics "
                f"stand to the right of its columns. {UNDEFINED} marks a value that is undefined. "
                "The same tables are in the folder ",
                Span("tables", "code"),
                " of the run, with all digits.",
            ),
        )
    )
    return Section("tables", "Tables", (prose, *shown.tables))
