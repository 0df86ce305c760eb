"""Put prompts into a model's own chat template, or say why it takes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from cortexscope.errors import UsageError
from cortexscope.models._panics import contained
from cortexscope.models._quiet import reason as reason_of
from cortexscope.models._templates import render_template
from cortexscope.records import ChatUse, ModelInfo, Turn

__all__ = ["Chat", "open_chat"]

_PLACE = "{prompt}"
_ENCODER = "it is an encoder, which reads one text and answers none"
_NO_TEMPLATE = "its tokenizer has no chat template, as that of a base model has none"
_NO_DEFAULT = "its tokenizer has several chat templates and none by default"


@dataclass(frozen=True, slots=True)
class Chat:
    """A model's chat template, or the reason why it has none that can be used."""

    tokenizer: Any
    model: str
    """Its label, for messages."""
    system: str | None
    """What the template's system role says; None leaves it to the template."""
    use: ChatUse
    every: bool = True
    """Whether it is put around prompts that are no conversations, too."""

    def wrap(self, text: str) -> str:
        """Return a prompt as the first turn of a chat whose next turn is the model's.

        The special tokens that the model begins with are in it, so a tokenizer adds none.

        Raises:
            UsageError: if the template fails on it.
        """
        return _render(self.tokenizer, self.model, [Turn("user", text)], self.system)

    def render(self, turns: Sequence[Turn]) -> str:
        """Return a conversation as far as the turn that is the model's, as `wrap` does a prompt.

        A system text of its own stands in place of the one that was asked for.

        Raises:
            UsageError: if the template fails on it, as one may where roles do not take turns.
        """
        own = any(turn.role == "system" for turn in turns)
        return _render(self.tokenizer, self.model, turns, None if own else self.system)


def open_chat(
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers share no type that can be named
    info: ModelInfo,
    *,
    system: str | None = None,
    every: bool = True,
) -> Chat:
    """Return the chat template of a model's tokenizer; `use.reason` says why there is none.

    Args:
        tokenizer: the model's.
        info: of the model.
        system: what the system role says; None leaves it to the template.
        every: whether it is put around prompts that are no conversations, too.

    Raises:
        UsageError: if the template fails, has no system role for `system`, or leaves out prompts.
    """
    reason = _why_none(tokenizer, info)
    if reason is not None:
        return Chat(tokenizer, info.model, None, ChatUse(reason=reason), every)
    frame = _render(tokenizer, info.model, [Turn("user", _PLACE)], None)
    if _PLACE not in frame:
        raise UsageError(
            f"The chat template of {info.model} leaves the text of a prompt out, as one for images "
            "may do; leave --chat-template out."
        )
    if system is not None:
        frame = _with_system(tokenizer, info.model, system)
    return Chat(tokenizer, info.model, system, ChatUse(frame=frame), every)


def _why_none(tokenizer: Any, info: ModelInfo) -> str | None:  # noqa: ANN401
    if info.stack_kind == "encoder":
        return _ENCODER
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        return _NO_TEMPLATE
    return _NO_DEFAULT if isinstance(template, dict) and "default" not in template else None


def _with_system(tokenizer: Any, model: str, system: str) -> str:  # noqa: ANN401
    """Return the frame with a system text, if another text would give another frame."""
    why = "ignores it"
    place = [Turn("user", _PLACE)]
    try:
        frame = _render(tokenizer, model, place, system)
        if frame != _render(tokenizer, model, place, f"{system}x"):
            return frame
    except UsageError as error:
        why = f"refuses it ({reason_of(error.__cause__ or error)})"
    raise UsageError(
        f"The chat template of {model} has no system role: it {why}; leave --system out, or write "
        "its text into the prompts."
    )


def _render(tokenizer: Any, model: str, turns: Sequence[Turn], system: str | None) -> str:  # noqa: ANN401
    said = [] if system is None else [Turn("system", system)]
    messages = [turn._asdict() for turn in (*said, *turns)]
    try:
        if type(tokenizer).apply_chat_template is PreTrainedTokenizerBase.apply_chat_template:
            return render_template(
                tokenizer.get_chat_template(), messages, tokenizer.special_tokens_map
            )
        # Code of its class and no template of its folder.
        with contained():
            return str(
                tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            )
    # What the model's authors wrote may fail in any way.
    except Exception as error:
        raise UsageError(
            f"The chat template of {model} fails on {_short(turns[-1].content)}: "
            f"{reason_of(error)}; leave --chat-template out."
        ) from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
