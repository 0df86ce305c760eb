"""A suite that is written is read again as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from cortexscope.errors import UsageError
from cortexscope.tasks import load_suite, with_controls, write_suite


@pytest.mark.parametrize("name", ["cognitive", "cognitive-paraphrases", "cognitive-study"])
@pytest.mark.parametrize("ending", [".yaml", ".jsonl"])
def test_what_is_written_shows_a_model_the_same(tmp_path: Path, name: str, ending: str) -> None:
    suite = load_suite(name)
    file = tmp_path / f"suite{ending}"
    write_suite(with_controls(suite, ["random"]), file)
    again = load_suite(file)
    assert again.hash == suite.hash
    if ending == ".yaml":
        assert (again.name, again.version) == (suite.name, suite.version)
        assert [task.description for task in again.tasks] == [t.description for t in suite.tasks]


def test_nothing_is_overwritten_and_endings_are_checked(tmp_path: Path) -> None:
    suite = load_suite("cognitive-study")
    (tmp_path / "a.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        write_suite(suite, tmp_path / "a.yaml")
    with pytest.raises(UsageError, match=r"must end in \.yaml"):
        write_suite(suite, tmp_path / "a.csv")
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == "mine"
