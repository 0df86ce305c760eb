"""The page of verified architectures is of this version of transformers, and complete."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from families import FAMILIES

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"


def rows() -> dict[str, list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {row[0]: row for row in cells}


def test_the_page_lists_every_family_of_the_tests() -> None:
    assert list(rows()) == list(FAMILIES)


def test_every_family_of_the_page_passed_its_checks() -> None:
    for family, row in rows().items():
        passed, applied = (int(number) for number in re.findall(r"[0-9]+", row[5])[:2])
        assert passed == applied > 5, family
        assert int(row[4].replace(",", "")) >= 80, family


def test_the_page_was_made_with_the_pinned_versions() -> None:
    text = PAGE.read_text(encoding="utf-8")
    constraints = (PAGE.parents[1] / "constraints.txt").read_text(encoding="utf-8")
    for name in ("torch", "transformers"):
        (pinned,) = re.findall(rf"^{name}==(.+)$", constraints, re.MULTILINE)
        assert f"{name} {pinned}" in text
        assert version(name).partition("+")[0] == pinned
