"""Shared by all tests: a cache of their own for made models, and no network for the hub."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_models() -> tuple[str, str]:
    """References of the two models with real weights, fetched once into the user's cache."""
    return "demo-encoder", "demo-decoder"


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """A small suite whose prompts differ in length."""
    words = "one two three four five six seven eight nine ten".split()
    lines = ["task,id,text"]
    for task in ("counting", "naming"):
        for number in range(6):
            text = " ".join(words[(number + i) % 10] for i in range(1 + 7 * number))
            lines.append(f"{task},{task}-{number},{text}")
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
