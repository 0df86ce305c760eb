"""The gallery of figures is made by its script, and leaves no figure out."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from cortexscope.report import FIGURES
from cortexscope.store import Run

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", DOCS / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _named(page: str) -> tuple[set[str], set[str]]:
    drawn, absent = page.split("## Not in this run")
    return set(re.findall(r"^## `(.+?)`", drawn, re.MULTILINE)), set(
        re.findall("- `(.+?)`", absent)
    )


@pytest.mark.slow
def test_every_figure_is_drawn_or_named_as_absent(
    gallery: ModuleType, small_run: Run, tmp_path: Path
) -> None:
    page = gallery.write(small_run, tmp_path)
    drawn, absent = _named(page.read_text(encoding="utf-8"))
    assert set(FIGURES.names()) <= drawn | absent
    assert not drawn & absent
    assert {"task_map", "radar", "depth-other"} <= drawn
    assert {"tokens", "experts", "probes"} <= absent
    pictures = tmp_path / "images" / "gallery"
    assert {path.stem for path in pictures.iterdir()} == drawn
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures.iterdir())


def test_the_page_names_every_figure_and_its_pictures_are_there_and_small() -> None:
    drawn, absent = _named((DOCS / "gallery.md").read_text(encoding="utf-8"))
    assert set(FIGURES.names()) <= drawn | absent
    sizes = {path.stem: path.stat().st_size for path in (DOCS / "images" / "gallery").iterdir()}
    assert set(sizes) == drawn
    assert max(sizes.values()) < 60_000
    assert sum(sizes.values()) < 1_000_000
