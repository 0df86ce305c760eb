"""A template writes what it reads of a row, and can do nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexscope.errors import UsageError
from cortexscope.tasks._filters import Absent
from cortexscope.tasks._templates import Template


@pytest.mark.slow
@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
def test_a_template_writes_what_it_reads(text: str, items: list[str]) -> None:
    row = {"text": text, "items": items}
    assert Template("{text}").render(row) == text
    assert Template("{{{text}}}").render(row) == f"{{{text}}}"
    assert Template("{items}").render(row) == "\n".join(items)
    assert Template("{items:join(', ')}").render(row) == ", ".join(items)
    marked = [f"{'ABCDE'[number]}. {item}" for number, item in enumerate(items)]
    assert Template("{items:letters}").render(row) == "\n".join(marked)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{none}", "it is null"),
        ("{text:join}", "text stands where a list is needed"),
        ("{map}", "a mapping stands where text is needed"),
        ("{gone}", "there is no 'gone'"),
        ("{map.gone}", "there is no 'map.gone'"),
        ("{items.7}", "there is no item 7 in the 2 of 'items'"),
        ("{items:at(2)}", "there is no item '2' in a list of 2"),
        ("{items:at(0, 1)}", "there is no item '0' in a list of 2"),
        ("{items:matching(items, 'c')}", "there is no 'c' among a, b"),
        ("{items:letters(text)}", "text stands where a list is needed"),
        ("{items:letters(one)}", "there are 2 items and 1 marks"),
        ("{text:letter}", "'text' is no number"),
        ("{text.__class__}", "'text' is text, which has no part '__class__'"),
        ("{items.__len__}", "'items' is a list, which has no part '__len__'"),
        ("{map.__class__.__mro__}", "there is no 'map.__class__'"),
        ("{text!r}", "there is no 'text!r'"),
    ],
)
def test_a_template_that_finds_no_text_says_why(template: str, why: str) -> None:
    row = {"none": None, "text": "text", "items": ["a", "b"], "one": ["x"], "map": {"a": 1}}
    with pytest.raises(Absent, match=re.escape(why)):
        Template(template).render(row)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{text", "'{' at character 1 is never closed"),
        ("a }", "'}' at character 3"),
        ("{}", "the name of a column is missing"),
        ("{text:>10}", "there is no filter '>10'"),
        ("{text:upper}", "there is no filter 'upper'"),
        ("{items:at}", "takes 1 to 2 values and has 0"),
        ("{items:at(1}", "'(' is never closed"),
        ("{[a, b}", "'[' is never closed"),
        ("{a b: c d | }", "there is no filter 'c d'"),
        ("{text:trim trim}", "there is no filter 'trim trim'"),
        ("{items:at(1) more}", "'more' stands where it should end"),
    ],
)
def test_what_is_no_template_is_refused_before_a_row_is_read(template: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        Template(template).parts()


def test_names_of_columns_may_hold_anything() -> None:
    row = {"Best Answer": "yes", "a.b": 1, "x, y": 2, "a": {"b": 3}, "é:ü": 4}
    assert Template("{Best Answer} {a.b}").render(row) == "yes 1"
    assert Template('{"x, y"} {"é:ü"}').render(row) == "2 4"


def test_numbers_stand_as_they_are_written() -> None:
    assert Template("{a} {b} {c} {d}").render({"a": 3.0, "b": 3.5, "c": 7, "d": True}) == (
        "3 3.5 7 True"
    )
