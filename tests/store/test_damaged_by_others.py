"""Files of others that no parser can follow are damaged, and no error of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report.made_runs import SMALL, make_run

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


def test_a_number_that_stands_for_no_text_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "run", [SMALL], tasks=("logical_puzzles",), prompts=2)
    read = pq.ParquetFile.read

    def damaged(self: pq.ParquetFile, columns: list[str]) -> pa.Table:
        # As a reader gives it that does not look: a file cannot be written so.
        table = read(self, columns)
        if "metric" not in columns:
            return table
        odd = pa.DictionaryArray.from_arrays(
            pa.array([9] * len(table), pa.int32()), ["a"], safe=False
        )
        return table.set_column(columns.index("metric"), "metric", odd)

    monkeypatch.setattr(pq.ParquetFile, "read", damaged)
    with pytest.raises(CorruptRunError, match="is damaged"):
        Run(tmp_path / "run").measurements()


def test_a_text_that_is_none_is_damage(tmp_path: Path) -> None:
    make_run(tmp_path / "run", [SMALL], tasks=("logical_puzzles",), prompts=2)
    file = tmp_path / "run" / "prompts.parquet"
    table = pq.read_table(file)
    odd = pa.array([b"\xff\xfe"] * len(table), pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(odd), odd.buffers())
    at = table.column_names.index("text")
    pq.write_table(table.set_column(at, table.schema.field("text"), text), file)
    with pytest.raises(CorruptRunError, match=r"prompts.parquet is damaged"):
        Run(tmp_path / "run").prompts()


@pytest.mark.parametrize("plugins", [3, None, {"residual_norm": 5}], ids=str)
def test_a_manifest_whose_plug_ins_are_none_is_damaged(tmp_path: Path, plugins: object) -> None:
    run = make_run(tmp_path / "run", [SMALL], tasks=("logical_puzzles",), prompts=2)
    file = run.path / "manifest.json"
    told = json.loads(file.read_text())
    told["settings"]["plugins"] = plugins
    file.write_text(json.dumps(told))
    with pytest.raises(CorruptRunError, match=r"manifest.json is damaged"):
        Run(run.path)
