"""The README shows what really comes out."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from cortexscope.metrics import metric_names

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.weights
def test_the_session_in_the_readme_gives_what_it_shows() -> None:
    found = doctest.testfile(str(README), module_relative=False)
    assert found.attempted >= 5
    assert found.failed == 0


def test_the_readme_names_every_metric() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in metric_names() if f"`{name}`" not in text] == []
