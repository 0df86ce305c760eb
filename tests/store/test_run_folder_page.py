"""The page of the run folder is what the schema and the manifest's record say."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from cortexscope.records import Manifest
from cortexscope.store import (
    DRIFTS,
    ESTIMATES,
    GENERATIONS,
    LESION_VALUES,
    LESIONS,
    MEASUREMENTS,
    MODELS,
    OUTCOMES,
    PAIRS,
    PROMPTS,
    SCHEMA_VERSION,
)
from cortexscope.store._schema import ATTRIBUTES

PAGE = Path(__file__).parents[2] / "docs" / "run-folder.md"
TABLES = {
    "measurements/*.parquet": MEASUREMENTS,
    "prompts.parquet": PROMPTS.append(pa.field(ATTRIBUTES, pa.struct([]))),
    "models.parquet": MODELS,
    "generations/*.parquet": GENERATIONS,
    "outcomes.parquet": OUTCOMES,
    "pairs/*-predictions.parquet": PAIRS,
    "pairs/*-drifts.parquet": DRIFTS,
    "lesions/*-effects.parquet": LESIONS,
    "lesions/*-estimates.parquet": ESTIMATES,
    "lesions/*-values.parquet": LESION_VALUES,
}


def section(title: str) -> list[list[str]]:
    """Return the rows of the table under a heading."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize("title", TABLES)
def test_columns_are_those_of_the_schema(title: str) -> None:
    found = [(name, kind, null) for name, kind, null, _ in section(title)]
    assert found == [
        (f"`{field.name}`", _type(field.type), "may be" if field.nullable else "never")
        for field in TABLES[title]
    ]


def _type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return "struct"
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def test_keys_are_those_of_the_manifest() -> None:
    named = [name for cell, _ in section("manifest.json") for name in re.findall("`(.*?)`", cell)]
    assert named == list(Manifest.model_fields)


def test_the_schema_described_is_the_one_written() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"schema {SCHEMA_VERSION}." in text
    assert f"{SCHEMA_VERSION} is described here" in text
