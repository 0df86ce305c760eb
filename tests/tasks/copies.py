"""Small local copies of data sets, in the formats that are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets

__all__ = ["FORMATS", "LANGUAGES", "write_copy"]

FORMATS = ("folder", ".parquet", ".jsonl")
LANGUAGES = {
    "flores_eng": ("eng_Latn", "The river is wide."),
    "flores_deu": ("deu_Latn", "Der Fluss wirkt breit."),
    "flores_fra": ("fra_Latn", "La rivière est large."),
    "flores_spa": ("spa_Latn", "El río es ancho."),
    "flores_zho": ("zho_Hans", "这条河很宽。"),
    "flores_arb": ("arb_Arab", "النهر واسع."),
    "flores_hin": ("hin_Deva", "नदी चौड़ी है।"),
    "flores_swh": ("swh_Latn", "Mto ni mpana."),
}
"""A column of flores and a sentence in it, by the name in the table."""


def write_copy(path: Path, columns: Mapping[str, Any], form: str) -> Path:
    """Write a local copy in one of the formats and return where it is."""
    made = datasets.Dataset.from_dict(columns)
    if form == "folder":
        made.save_to_disk(str(path))
        return path
    path = path.with_name(path.name + form)
    if form == ".parquet":
        made.to_parquet(str(path))
    elif form == ".csv":
        made.to_csv(str(path))
    else:
        made.to_json(str(path), force_ascii=False)
    return path
