"""Conversations: whose turn it is and what is said, in the forms in which they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cortexscope.records import Turn
from cortexscope.tasks._filters import Absent, is_list, kind_of

__all__ = ["transcript", "turns_of"]

_ROLES = {"human": "user", "gpt": "assistant", "bard": "assistant", "chatgpt": "assistant"}
"""ShareGPT's names of who speaks."""


def turns_of(messages: object) -> tuple[tuple[Turn, ...], str | None]:
    """Return the turns up to the last one of the user, and the answer to it if there is one.

    Args:
        messages: a list of mappings with `role` and `content`, or with `from` and `value`.

    Raises:
        Absent: if it is none, or the user says nothing in it.
    """
    if not is_list(messages):
        raise Absent(f"{kind_of(messages)} stands where a list of messages is needed")
    assert isinstance(messages, Sequence)
    turns = [_turn(message) for message in messages]
    last = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=None)
    if last is None:
        raise Absent("the conversation has no turn of a user")
    answer = turns[last + 1] if last + 1 < len(turns) else None
    said = answer.content if answer is not None and answer.role == "assistant" else None
    return tuple(turns[: last + 1]), said or None


def transcript(turns: Sequence[Turn]) -> str:
    """Return a conversation as a text: its only turn as it is, several behind their roles."""
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)


def _turn(message: object) -> Turn:
    if not isinstance(message, Mapping):
        raise Absent(f"{kind_of(message)} stands where a message is needed")
    role = message.get("role", message.get("from"))
    if not isinstance(role, str) or not role.strip():
        raise Absent("a message does not say whose it is (role, or from)")
    content = message["content"] if "content" in message else message.get("value")
    return Turn(_ROLES.get(role, role), _content(content))


def _content(content: Any) -> str:  # noqa: ANN401 - text, or a list of parts
    if content is None:
        return ""  # of a turn that only calls a tool
    if isinstance(content, str):
        return content
    if not is_list(content):
        raise Absent(f"{kind_of(content)} stands where the text of a message is needed")
    texts = [part.get("text") for part in content if isinstance(part, Mapping)]
    if len(texts) != len(content) or not all(isinstance(text, str) for text in texts):
        raise Absent("a message holds more than text")
    return "\n".join(map(str, texts))
