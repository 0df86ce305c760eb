"""Verdicts by claim, of the published files or of a study made up."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from audit.made_tables import text_of

from cortexscope.audit import Audit, Check, audit_study


def checks_of(audit: Audit) -> dict[str, Check]:
    return {claim.id: claim.checks[0] for claim in audit.claims}


def made_audit(cells: pd.DataFrame, folder: Path, *, text: str | None = None) -> dict[str, Check]:
    path = folder / "tables.txt"
    path.write_text(text or text_of(cells), encoding="utf-8")
    return checks_of(audit_study(published=[path]))
