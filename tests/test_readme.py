"""The README shows what really comes out."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from cortexscope.metrics import GROUPS, METRICS

pytestmark = pytest.mark.slow

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.weights
def test_the_session_in_the_readme_gives_what_it_shows() -> None:
    found = doctest.testfile(str(README), module_relative=False)
    assert found.attempted >= 5
    assert found.failed == 0


def test_the_readme_names_every_group_of_metrics() -> None:
    section = README.read_text(encoding="utf-8").partition("## What is measured")[2]
    rows = re.findall(r"^\| `([a-z]+)` \|.*\|(.*)\|$", section, re.MULTILINE)
    assert {group for group, _ in rows} == set(GROUPS)
    for group, examples in rows:
        assert (
            set(re.findall("`([a-z_.]+)`", examples)) <= set(GROUPS[group]) <= set(METRICS.names())
        )
