"""What the run shows, in sentences."""

from __future__ import annotations

from cortexscope.document import Prose, Section
from cortexscope.report._facts import facts
from cortexscope.report._shown import Shown

__all__ = ["build"]

_NOTHING = "No value that this section speaks of is defined in this run."


def build(shown: Shown) -> Section:
    """Return the sentences that the run's numbers make true."""
    found = facts(shown.frames)
    prose = Prose(found, "list") if found else Prose((_NOTHING,))
    return Section("shows", "What this shows", (prose,))
