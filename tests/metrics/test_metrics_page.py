"""The page of all metrics is what their specs and docstrings say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from cortexscope.metrics import GROUPS, METRICS
from cortexscope.metrics.base.words import GROUP_TEXTS, explanation

DOCS = Path(__file__).parents[2] / "docs"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_metrics", DOCS / "metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_make_metrics_writes() -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert page == generator().page(), "run `make metrics`"


def test_the_page_has_a_place_for_every_metric() -> None:
    made = generator().page()
    for group, rows in GROUPS.items():
        assert (f"\n## {group}\n" in made) == bool(rows)
        for name in rows:
            assert made.count(f"\n### `{name}`\n") == 1
            assert f"](#{name.replace('.', '')}) |" in made


def test_every_group_says_what_it_is_about() -> None:
    assert set(GROUP_TEXTS) == set(GROUPS)
    for group, rows in GROUPS.items():
        for name in rows:
            assert METRICS.load(name).spec.group == group


def test_signs_of_markdown_stay_what_they_are() -> None:
    plain = generator()._plain
    assert plain("a * b < c, `d * e`") == "a \\* b \\< c, `d * e`"
    assert plain("one\n    a * b\ntwo * x") == "one\n    a * b\ntwo \\* x"
    assert plain("*Unit:* a < b", keep="*") == "*Unit:* a \\< b"


def test_a_docstring_is_told_as_sentences() -> None:
    told = explanation(METRICS.load("residual_norm"))
    assert told.startswith(
        "The mean l2 norm of the tokens' hidden states, per layer 0..L.\n\nIn the"
    )
    assert "\n\n" in told
    assert not any(line.startswith(" ") or line.endswith(" ") for line in told.splitlines())
