"""A notebook shows a bar while models are read, and what was measured."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from report.made_runs import SMALL, FakeModel, make_run

import cortexscope
from cortexscope.errors import UnknownNameError
from cortexscope.notebook import NotebookBar, in_notebook


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a kernel that stands in for Jupyter's is told to show, the newest last."""
    found: list[str] = []

    def display(html: str, *, display_id: bool) -> Any:
        assert display_id
        found.append(html)
        return SimpleNamespace(update=found.append)

    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    displays = ModuleType("IPython.display")
    displays.HTML, displays.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    return found


def test_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    ipython = ModuleType("IPython")
    ipython.get_ipython = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()


def test_a_bar_ends_where_all_is_read(shown: list[str]) -> None:
    assert in_notebook()
    bar = NotebookBar()
    bar.begin("<b>mine</b>", 100, 40)
    bar.advance("<b>mine</b>", 60)
    bar.end("<b>mine</b>")
    assert 'max="100" value="40"' in shown[0]
    assert 'max="100" value="100"' in shown[-1]
    assert all("&lt;b&gt;mine&lt;/b&gt;" in html for html in shown)


def test_a_run_in_a_notebook_shows_a_bar(
    shown: list[str], tiny_folder: Path, suite_file: Path, tmp_path: Path
) -> None:
    cortexscope.profile(
        f"tiny={tiny_folder}", suite_file, metrics=["residual_norm"], out=tmp_path / "run"
    )
    assert "tiny" in shown[-1]


def test_a_profile_shows_itself_escaped(tmp_path: Path) -> None:
    model = FakeModel(label="<script>alert(1)</script>", layers=1, heads=1)
    run = make_run(tmp_path / "a & b", [model, SMALL], tasks=["language_tasks"], prompts=2)
    html = cortexscope.open_profile(run.path)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;, all-MiniLM-L6-v2" in html
    assert "a &amp; b" in html
    assert "cognitive: 2 prompts of 1 tasks" in html
    assert ".report()" in html
    assert "not finished" not in html


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [SMALL], tasks=["language_tasks"], prompts=2, finished=False)
    with pytest.warns(UserWarning, match="not finished"):
        profile = cortexscope.open_profile(run.path)
    assert "not finished" in profile._repr_html_()


@pytest.mark.parametrize("method", ["frame", "frame_polars"])
def test_what_is_misspelt_is_no_empty_frame(tmp_path: Path, method: str) -> None:
    run = make_run(tmp_path / "run", [SMALL], tasks=["language_tasks"], prompts=2)
    read = getattr(cortexscope.open_profile(run.path), method)
    with pytest.raises(UnknownNameError, match="did you mean 'residual_norm'"):
        read("residual_nrm")
    with pytest.raises(UnknownNameError, match="'residual_nrm'"):
        read(["attention_entropy", "residual_nrm"])
    with pytest.raises(UnknownNameError, match="no model 'all-MiniLM'"):
        read("residual_norm", models="all-MiniLM")
    assert len(read("residual_norm", models=SMALL.label))
