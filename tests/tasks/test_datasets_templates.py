"""A template writes what it reads of a row, and can do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexscope.tasks._templates import Absent, Template


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
def test_a_template_writes_what_it_reads(text: str, items: list[str]) -> None:
    row = {"text": text, "items": items}
    assert Template("{{ text }}").render(row) == text
    assert Template("{{ items | lines }}").render(row) == "\n".join(items)
    marked = [f"{'ABCDE'[number]}. {item}" for number, item in enumerate(items)]
    assert Template("{{ items | options }}").render(row) == "\n".join(marked)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ none }}", "a value is null"),
        ("{{ items }}", "a list stands where text is needed"),
        ("{{ text | lines }}", "text stands where a list is needed"),
        ("{{ gone }}", "'gone' is undefined"),
        ("{{ items | at(2) }}", "there is no item '2' in a list of 2"),
        ("{{ items | at(0, 1) }}", "there is no item '0' in a list of 2"),
        ("{{ items | matching(items, 'c') }}", "there is no 'c' among a, b"),
        ("{{ items | options(['x']) }}", "there are 2 options and 1 marks"),
        ("{{ text.__class__.__mro__ }}", "access to attribute '__class__'"),
    ],
)
def test_a_template_that_finds_no_text_says_why(template: str, why: str) -> None:
    row = {"none": None, "text": "t", "items": ["a", "b"]}
    with pytest.raises(Absent, match=why.replace("(", r"\(")):
        Template(template).render(row)


def test_a_template_has_no_globals_and_no_other_filters() -> None:
    for source in ("{{ range(3) }}", "{{ lipsum() }}", "{{ cycler }}"):
        with pytest.raises(Absent, match="is undefined"):
            Template(source).render({})
    with pytest.raises(Absent, match="No filter named 'upper'"):
        Template("{{ text | upper }}").render({"text": "a"})
