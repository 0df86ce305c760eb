"""Outcomes are read from tables and from logs of evaluations, by the ids of prompts."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from tasks.test_shapes import LM_EVAL, LOG, SAMPLE

from cortexscope.errors import CortexscopeError
from cortexscope.tasks import load_answers


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("true", "false"), (1, 0)),
        (("correct", "wrong"), (1, 0)),
        (("1", "0"), (1, 0)),
        (("0.25", "3"), (0.25, 3)),
        (("C", "P"), (1, 0.5)),
    ],
)
def test_a_table_of_ids(cells: tuple[str, str], expected: tuple[float, float], tmp_path: Path
                        ) -> None:  # fmt: skip
    file = written(tmp_path / "o.csv", f"prompt_id,anything\na,{cells[0]}\nb,{cells[1]}\nc,\n")
    found = load_answers(file)
    assert found.outcomes == dict(zip("ab", expected, strict=True))
    assert (found.column, found.empty) == ("anything", 1)


def test_a_log_of_lm_eval_is_read_by_the_ids_of_its_suite(tmp_path: Path) -> None:
    rows = [{**LM_EVAL, "doc_id": n, "acc": float(n % 2)} for n in range(3)]
    file = written(tmp_path / LOG, "\n".join(map(json.dumps, rows)))
    found = load_answers(file)
    assert (found.outcomes, found.column) == ({"0": 0.0, "1": 1.0, "2": 0.0}, "acc")


def test_a_packed_log_of_inspect_ai_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as log:
        for name, value in (("one", "C"), ("two", "I")):
            sample = {**SAMPLE, "id": name, "epoch": 1, "scores": {"match": {"value": value}}}
            log.writestr(f"samples/{name}_epoch_1.json", json.dumps(sample))
    assert load_answers(tmp_path / "log.eval").outcomes == {"one": 1.0, "two": 0.0}


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("id,a,b\n1,1,0\n", None, "several columns .* --column: a, b"),
        ("id,a\n1,maybe\n", None, "has no column of outcomes"),
        ("id,a\n1,maybe\n", "a", "prompt '1' has 'maybe' as 'a'"),
        ("id,correct\n1,1\n", "correctly", "no column 'correctly'; did you mean 'correct'"),
        ("name,correct\n1,1\n", None, "no column of prompts' ids among name, correct"),
    ],
)
def test_what_cannot_be_read_says_so(
    text: str, column: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(CortexscopeError, match=f"(?i){message}"):
        load_answers(written(tmp_path / "o.csv", text), column=column)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CortexscopeError, match="no file"):
        load_answers(tmp_path / "none.csv")
