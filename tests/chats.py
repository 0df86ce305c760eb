"""Chat templates for tests, in the words of the tiny tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
from models.tiny import tiny_config, tiny_tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

TURNS = (
    "{{ bos_token }}{% for turn in messages %}"
    "{{ {'system': 'n', 'user': 'o'}[turn.role] }} {{ turn.content }} {{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %} on{% endif %}"
)
"""A turn is `o` (the user's) or `n` (the system's), its text and </s>; `on` begins the model's."""
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no such role') }}{% endif %}"
IGNORES = "{% for turn in messages if turn.role == 'user' %}o {{ turn.content }}{% endfor %}"


def chatting_tokenizer(template: str = TURNS) -> PreTrainedTokenizerFast:
    """Return the tiny tokenizer, which puts <s> before a plain text, with a chat template."""
    made = tiny_tokenizer()
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 2)]
    )
    made.chat_template = template
    return made


def chatting_folder(folder: Path, *, template: str | None = TURNS, context: int = 64) -> Path:
    """Write a tiny Llama whose tokenizer has a chat template, or none."""
    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config(max_position_embeddings=context)).save_pretrained(folder)
    tokenizer = chatting_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder
