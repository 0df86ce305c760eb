"""Special tokens that a text or a template writes are read once, and blamed on who wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chats import TURNS, chatting_tokenizer
from models.tiny import tiny_config, tiny_tokenizer
from tokenizers import Tokenizer
from tokenizers import models as kinds
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

import cortexscope
from cortexscope.engine._encode import encode
from cortexscope.errors import SuiteError, UsageError
from cortexscope.records import Prompt


def framed(first: str, last: str | None) -> PreTrainedTokenizerFast:
    """Return the tiny tokenizer, which puts special tokens around each text."""
    made = tiny_tokenizer()
    around = [(name, made.convert_tokens_to_ids(name)) for name in (first, last) if name]
    single = f"{first} $A" + (f" {last}" if last else "")
    made.backend_tokenizer.post_processor = TemplateProcessing(single, None, around)
    return made


def bytewise() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer that puts `<|start|>` before each text."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    made = Tokenizer(kinds.BPE(vocabulary, []))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    found = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<|start|>")
    around = [("<|start|>", found.bos_token_id)]
    found.backend_tokenizer.post_processor = TemplateProcessing("<|start|> $A", None, around)
    return found


def ids_of(tokenizer: Any, text: str, **options: Any) -> tuple[int, ...]:
    context = options.pop("context", None)
    (found,), _ = encode(
        [Prompt("a", "t", text)], tokenizer, model="m", context=context, truncate=True, **options
    )
    return found.ids


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (framed("<s>", None), "<s> one two"),
        (framed("<s>", "</s>"), "<s> one two </s>"),
        (framed("[PAD]", "</s>"), " [PAD] one two </s>"),
        (bytewise(), "<|start|>one two"),
        (bytewise(), "<|start|> one"),
    ],
    ids=["first", "both", "space ahead", "byte level", "byte level, space behind"],
)
def test_text_that_begins_itself_is_read_as_out_of_a_template(tokenizer: Any, text: str) -> None:
    doubled = tuple(tokenizer(text).input_ids)
    assert doubled[0] == doubled[1]
    assert ids_of(tokenizer, text) == tuple(tokenizer(text, add_special_tokens=False).input_ids)


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (tiny_tokenizer(), "<s> one"),
        (framed("<s>", None), "</s> one"),
        (framed("<s>", None), "one <s> two"),
        (framed("<s>", "</s>"), "one </s>"),
        (bytewise(), "one<|start|>"),
    ],
)
def test_other_texts_are_read_as_ever(tokenizer: Any, text: str) -> None:
    assert ids_of(tokenizer, text) == tuple(tokenizer(text).input_ids)


def test_end_is_kept_where_the_text_lacks_it_and_where_it_is_cut() -> None:
    tokenizer = framed("<s>", "</s>")
    words = tokenizer.convert_ids_to_tokens
    assert words(ids_of(tokenizer, "<s> one two")) == ["<s>", "one", "two", "</s>"]
    for text in ("<s> one two three", "<s> one two three </s>"):
        assert words(ids_of(tokenizer, text, context=4)) == ["<s>", "one", "two", "</s>"]
        assert words(ids_of(tokenizer, text[4:], context=4)) == ["<s>", "one", "two", "</s>"]


def save(folder: Path, model: Any, tokenizer: Any) -> Path:
    torch.manual_seed(0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
def test_run_measures_such_prompts_as_those_without(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    made: dict[str, Callable[[], tuple[Any, Any, str, str]]] = {
        "llama": lambda: (LlamaForCausalLM(tiny_config()), framed("<s>", None), "<s>", ""),
        "bert": lambda: (
            BertForMaskedLM(BertConfig(vocab_size=12, num_hidden_layers=1, **sizes)),
            framed("<s>", "</s>"),
            "<s>",
            "</s>",
        ),
        "gpt2": lambda: (
            GPT2LMHeadModel(
                GPT2Config(
                    vocab_size=257, n_embd=8, n_layer=1, n_head=1, n_positions=64,
                    bos_token_id=256, eos_token_id=256,
                )
            ),
            bytewise(),
            "<|start|>",
            "",
        ),
    }  # fmt: skip
    model, tokenizer, first, last = made[kind]()
    folder = save(tmp_path / kind, model, tokenizer)
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two three\nt,b,four\n")
    asked = ["residual_norm", "bits_per_byte", "pseudo_log_likelihood"]
    plain = cortexscope.profile(f"m={folder}", suite, metrics=asked)
    suite.write_text(f"task,id,text\nt,a,{first}one two three{last}\nt,b,four\n")
    found = cortexscope.profile(f"m={folder}", suite, metrics=asked)
    assert found.frame().equals(plain.frame())
    assert found.manifest.notes["m"] == [
        f"1 of 2 prompts begin with '{first}', which its tokenizer puts before each text; there it "
        "stands once"
    ]
    assert plain.manifest.notes == {}


@pytest.fixture
def chatting(tmp_path: Path) -> Path:
    """A model whose template writes a token that it has no embedding of."""
    tokenizer = chatting_tokenizer(TURNS.replace("' on'", "'<turn>'").replace(" on{", "<turn>{"))
    tokenizer.add_tokens(["<turn>"], special_tokens=True)
    return save(tmp_path / "chatting", LlamaForCausalLM(tiny_config()), tokenizer)


def test_token_of_a_template_is_not_blamed_on_a_prompt(chatting: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one two\n")
    settings = cortexscope.Settings(chat_template=True)
    with pytest.raises(UsageError) as caught:
        cortexscope.profile(f"m={chatting}", suite, settings=settings)
    assert type(caught.value) is UsageError
    assert "The chat template of m writes '<turn>'" in str(caught.value)
    cortexscope.profile(f"m={chatting}", suite, metrics=["residual_norm"])


@pytest.mark.parametrize("chat", [True, False])
def test_token_of_a_prompt_is(tmp_path: Path, chat: bool) -> None:
    tokenizer = chatting_tokenizer()
    tokenizer.add_tokens(["<turn>"], special_tokens=True)
    folder = save(tmp_path / "plain", LlamaForCausalLM(tiny_config()), tokenizer)
    suite = tmp_path / "suite.csv"
    suite.write_text("task,id,text\nt,a,one <turn>\n")
    settings = cortexscope.Settings(chat_template=chat)
    with pytest.raises(SuiteError, match=r"suite\.csv.*holds '<turn>'.*take it out of the text"):
        cortexscope.profile(f"m={folder}", suite, settings=settings)
