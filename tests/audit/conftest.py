"""The study's own files, audited once."""

from __future__ import annotations

import pandas as pd
import pytest
from audit.made_tables import DATA, METRICS

from cortexscope.audit import Audit, audit_study


@pytest.fixture(scope="session")
def published() -> Audit:
    if not DATA.is_dir():
        pytest.skip(f"the study's files are not in {DATA}")
    return audit_study(published=[DATA])


@pytest.fixture(scope="session")
def first_table() -> pd.DataFrame:
    files = sorted(DATA.glob("llm_brain_analysis_tables_*.txt"))
    if not files:
        pytest.skip(f"the published tables are not in {DATA}")
    lines = files[0].read_text(encoding="utf-8").split("TABLE 2")[0].splitlines()
    start = next(n for n, line in enumerate(lines) if "Model_Name" in line)
    rows = [line.split() for line in lines[start + 1 :] if line.strip()]
    frame = pd.DataFrame(rows, columns=lines[start].split())
    return frame.astype({name: float for name in (*METRICS, "Inputs_Analyzed")})
