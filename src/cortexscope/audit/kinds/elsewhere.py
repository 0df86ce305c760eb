"""Only something that is not given can tell."""

from __future__ import annotations

from typing import Literal

from cortexscope.audit._evidence import Evidence
from cortexscope.audit._records import Check
from cortexscope.audit.kinds._kind import Kind

__all__ = ["Elsewhere"]


class Elsewhere(Kind):
    """Only something that is not given can tell."""

    kind: Literal["elsewhere"]
    needs: str

    def judge(self, evidence: Evidence) -> Check:
        """Say what it needs."""
        return evidence.says(None, f"This needs {self.needs}.")
