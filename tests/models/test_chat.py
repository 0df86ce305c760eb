"""Prompts in a model's own chat template are what its tokenizer makes of them, or are refused."""

from __future__ import annotations

import pytest
from chats import IGNORES, REFUSES, TURNS, chatting_tokenizer
from models.tiny import tiny_tokenizer
from report.made_runs import SMALL
from transformers import PreTrainedTokenizerFast

from cortexscope.errors import UsageError
from cortexscope.models import Chat, load_model, open_chat
from cortexscope.records import ChatUse, ModelInfo

INFO: ModelInfo = SMALL.info().model_copy(update={"model": "tiny", "stack_kind": "decoder"})


def ids_of(chat: Chat, text: str) -> list[int]:
    return list(chat.tokenizer(chat.wrap(text), add_special_tokens=False)["input_ids"])


def ids_by_transformers(tokenizer: PreTrainedTokenizerFast, *turns: tuple[str, str]) -> list[int]:
    said = [{"role": role, "content": content} for role, content in turns]
    found = tokenizer.apply_chat_template(said, add_generation_prompt=True)
    return list(found["input_ids"])


def test_a_prompt_has_the_ids_of_transformers_own_chat() -> None:
    tokenizer = chatting_tokenizer()
    found = ids_of(open_chat(tokenizer, INFO), "one two")
    assert found == ids_by_transformers(tokenizer, ("user", "one two"))
    assert tokenizer.convert_ids_to_tokens(found) == ["<s>", "o", "one", "two", "</s>", "on"]


def test_a_system_text_has_the_ids_of_transformers_own_chat() -> None:
    tokenizer = chatting_tokenizer()
    found = ids_of(open_chat(tokenizer, INFO, system="five"), "one")
    assert found == ids_by_transformers(tokenizer, ("system", "five"), ("user", "one"))
    assert tokenizer.convert_ids_to_tokens(found) == [
        "<s>",
        "n",
        "five",
        "</s>",
        "o",
        "one",
        "</s>",
        "on",
    ]


def test_an_empty_system_text_is_another_than_none() -> None:
    tokenizer = chatting_tokenizer()
    assert ids_of(open_chat(tokenizer, INFO, system=""), "one") == ids_by_transformers(
        tokenizer, ("system", ""), ("user", "one")
    )


def test_special_tokens_are_not_doubled() -> None:
    tokenizer = chatting_tokenizer()
    assert tokenizer("one")["input_ids"].count(tokenizer.bos_token_id) == 1
    assert ids_of(open_chat(tokenizer, INFO), "one").count(tokenizer.bos_token_id) == 1


def test_the_frame_is_what_stands_around_every_prompt() -> None:
    chat = open_chat(chatting_tokenizer(), INFO, system="two")
    assert chat.use == ChatUse(frame="<s>n two </s>o {prompt} </s> on")
    assert str(chat.use.frame).replace("{prompt}", "one four") == chat.wrap("one four")


def test_of_several_templates_the_default_is_taken() -> None:
    tokenizer = chatting_tokenizer()
    tokenizer.chat_template = {"tool_use": "three", "default": TURNS}
    assert open_chat(tokenizer, INFO).wrap("one") == open_chat(chatting_tokenizer(), INFO).wrap(
        "one"
    )
    tokenizer.chat_template = {"tool_use": "three", "rag": TURNS}
    assert "several chat templates and none by default" in str(
        open_chat(tokenizer, INFO).use.reason
    )


def test_a_base_model_and_an_encoder_have_a_reason() -> None:
    base = open_chat(tiny_tokenizer(), INFO)
    assert base.use.frame is None
    assert "its tokenizer has no chat template" in str(base.use.reason)
    encoder = open_chat(chatting_tokenizer(), INFO.model_copy(update={"stack_kind": "encoder"}))
    assert "it is an encoder" in str(encoder.use.reason)


@pytest.mark.parametrize(
    ("template", "why"),
    [(REFUSES + TURNS, "it refuses it (no such role)"), (IGNORES, "it ignores it")],
)
def test_a_template_without_system_role_refuses_a_system_text(template: str, why: str) -> None:
    tokenizer = chatting_tokenizer(template)
    assert open_chat(tokenizer, INFO).use.reason is None
    with pytest.raises(UsageError, match="of tiny has no system role") as raised:
        open_chat(tokenizer, INFO, system="five")
    assert why in str(raised.value)


def test_a_template_that_fails_or_leaves_the_prompt_out_is_refused() -> None:
    with pytest.raises(UsageError, match=r"of tiny fails on .\{prompt\}.: "):
        open_chat(chatting_tokenizer("{{ messages[7].content.text }}"), INFO)
    # One for images takes a message as a list of parts.
    parts = "{% for part in messages[0].content %}{{ part.text }}{% endfor %}"
    with pytest.raises(UsageError, match="of tiny leaves the text of a prompt out"):
        open_chat(chatting_tokenizer(parts), INFO)


def test_a_template_that_fails_on_one_prompt_names_it() -> None:
    picky = "{% if 'two' in messages[0].content %}{{ raise_exception('not two') }}{% endif %}"
    chat = open_chat(chatting_tokenizer(picky + TURNS), INFO)
    assert chat.wrap("one")
    with pytest.raises(UsageError, match="of tiny fails on 'one two': not two; leave"):
        chat.wrap("one two")


@pytest.mark.weights
def test_the_demo_decoder_keeps_its_chat_template() -> None:
    model = load_model("demo-decoder")
    chat = open_chat(model.tokenizer, model.info)
    frame = str(chat.use.frame)
    assert frame.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert frame.endswith("<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n")
    asked = "What is 17 plus 25?"
    assert ids_of(chat, asked) == ids_by_transformers(model.tokenizer, ("user", asked))
