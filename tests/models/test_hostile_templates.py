"""A chat template that would run, grow or write without end is stopped, and others render on."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from chats import TURNS, chatting_folder, chatting_tokenizer
from report.made_runs import SMALL

from cortexscope.errors import UsageError
from cortexscope.models import _templates, open_chat, open_model

INFO = SMALL.info().model_copy(update={"model": "tiny", "stack_kind": "decoder"})
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
GROWS = "{% set n = namespace(x='x' * 9999) %}{% for a in range(99999) %}{% set n.x = n.x ~ n.x %}"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_templates, "_SECONDS", 0.2)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (LOOP, "it takes more than 0.2 seconds"),
        ("{% set x = 9 ** (9 ** 9) %}", "it takes more than 0.2 seconds"),
        (GROWS + "{% endfor %}", r"it (needs more than 1 GB of memory|takes more than 2 seconds)"),
        ("{{ 'x' * 10 ** 10 }}", "it needs more than 1 GB of memory"),
        ("{{ 'x' * 2 * 10 ** 6 }}", "it writes 2,000,000 characters, more than 1,000,008"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "it calls itself without end"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "no loader"),
        ("{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}", "it calls itself without end"),
        ("{% if %}", "Expected an expression"),
        ("\x1b[31m{{ raise_exception('\x1b[2J red') }}", "2J red"),
    ],
)
def test_a_hostile_template_is_refused_in_one_sentence(
    template: str, why: str, request: pytest.FixtureRequest
) -> None:
    if "0.2 seconds" in why:
        request.getfixturevalue("hasty")
    with pytest.raises(UsageError, match=r"^The chat template of tiny fails on '\{prompt\}': ") as (
        raised
    ):
        open_chat(chatting_tokenizer(template), INFO)
    assert re.search(why, str(raised.value))
    assert str(raised.value).isprintable()
    assert open_chat(chatting_tokenizer(), INFO).wrap("one") == "<s>o one </s> on"


def test_a_template_is_rendered_in_another_process_that_is_kept() -> None:
    chat = open_chat(chatting_tokenizer(), INFO)
    running = _templates._Process.running()
    assert running.child.pid != os.getpid()
    for number in range(50):
        chat.wrap(f"{number}")
    assert _templates._Process.running() is running


def test_a_process_that_was_killed_is_started_anew() -> None:
    chat = open_chat(chatting_tokenizer(), INFO)
    os.kill(_templates._Process.running().child.pid, signal.SIGKILL)
    with pytest.raises(UsageError, match="it ends the process it runs in"):
        chat.wrap("one")
    assert chat.wrap("one") == "<s>o one </s> on"


def test_any_text_comes_back_as_it_went() -> None:
    text = "".join(map(chr, [*range(1, 0x300), 0x2028, 0xFFFE, 0x1F600])) + "\r\n"
    tokenizer = chatting_tokenizer("{{ messages[0].content }}")
    said = [{"role": "user", "content": text}]
    found = open_chat(tokenizer, INFO).wrap(text)
    assert found == text == tokenizer.apply_chat_template(said, tokenize=False)


@pytest.mark.usefixtures("hasty")
def test_a_model_folder_with_such_a_template_is_opened_and_its_chat_refused(tmp_path: Path) -> None:
    source = open_model(str(chatting_folder(tmp_path / "model", template=LOOP + TURNS)))
    with pytest.raises(UsageError, match=r"it takes more than 0\.2 seconds; leave --chat-template"):
        open_chat(source.tokenizer, source.info)
