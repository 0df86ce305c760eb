"""Files of others that no parser can follow are damaged, and no error of ours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cortexscope.audit import audit_study
from cortexscope.errors import CorruptRunError, UsageError
from cortexscope.store import Run


def test_a_manifest_nested_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(CorruptRunError, match=r"manifest.json is damaged"):
        Run(tmp_path)


def test_a_spreadsheet_of_an_unknown_version_of_zip_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "tables.xlsx"
    pd.DataFrame({"Model": ["a"]}).to_excel(path, index=False)
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x01\x02") + 6] = 99
    path.write_bytes(bytes(content))
    with pytest.raises(UsageError, match=r"tables.xlsx is a damaged spreadsheet"):
        audit_study(published=[path])
