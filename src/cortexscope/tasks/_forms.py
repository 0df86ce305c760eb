"""The form of a prompt: a question, an instruction, or a passage that asks for nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

from cortexscope.tasks._suite import Suite

__all__ = ["FORMS", "Form", "form_of", "forms"]

Form = Literal["question", "instruction", "passage"]

FORMS: tuple[Form, ...] = get_args(Form)

_VERBS = frozenset(
    [
        "add",
        "analyse",
        "analyze",
        "answer",
        "argue",
        "arrange",
        "ask",
        "assume",
        "calculate",
        "change",
        "check",
        "choose",
        "classify",
        "combine",
        "compare",
        "complete",
        "compose",
        "compute",
        "conjugate",
        "consider",
        "continue",
        "convert",
        "copy",
        "correct",
        "count",
        "create",
        "decide",
        "define",
        "deduce",
        "delete",
        "derive",
        "describe",
        "design",
        "determine",
        "discuss",
        "divide",
        "do",
        "draft",
        "draw",
        "estimate",
        "evaluate",
        "examine",
        "explain",
        "express",
        "extract",
        "fill",
        "find",
        "finish",
        "fix",
        "flip",
        "follow",
        "form",
        "format",
        "generate",
        "give",
        "group",
        "guess",
        "help",
        "identify",
        "imagine",
        "implement",
        "improve",
        "infer",
        "insert",
        "interpret",
        "invent",
        "justify",
        "label",
        "let",
        "list",
        "make",
        "mark",
        "match",
        "mention",
        "merge",
        "modify",
        "move",
        "multiply",
        "name",
        "negate",
        "number",
        "order",
        "outline",
        "paraphrase",
        "pick",
        "picture",
        "plan",
        "point",
        "predict",
        "prepare",
        "print",
        "produce",
        "prove",
        "provide",
        "put",
        "rank",
        "rate",
        "read",
        "rearrange",
        "recall",
        "recommend",
        "refactor",
        "remember",
        "remove",
        "repeat",
        "rephrase",
        "replace",
        "reply",
        "report",
        "respond",
        "restate",
        "return",
        "reverse",
        "review",
        "rewrite",
        "round",
        "say",
        "select",
        "sequence",
        "shorten",
        "show",
        "simplify",
        "simulate",
        "sketch",
        "solve",
        "sort",
        "spell",
        "split",
        "start",
        "state",
        "structure",
        "suggest",
        "sum",
        "summarise",
        "summarize",
        "swap",
        "take",
        "teach",
        "tell",
        "test",
        "think",
        "transform",
        "translate",
        "trace",
        "turn",
        "underline",
        "use",
        "verify",
        "weigh",
        "work",
        "write",
    ]
)
_OPENERS = frozenset(
    [
        "please",
        "kindly",
        "now",
        "then",
        "first",
        "next",
        "finally",
        "also",
        "always",
        "never",
        "don't",
        "do",
    ]
)
# A sentence ends at a mark, a line's end or a colon, and its first words may be in quotes.
_SENTENCES = re.compile(r"[.!?:;]+[\"'”’)]*\s+|\n+|,\s+(?:and|then)\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_QUESTION = re.compile(r"[?？؟](?=[\s\"'”’)\]*_`]|$)")


def form_of(text: str) -> Form:
    """Return the form of an English text, by its marks and the first words of its sentences.

    A text with a question mark at the end of a word is a question; of the others, one with a
    sentence that begins with a verb of a list of about 150, such as "write", is an instruction.

    Example:
        >>> form_of("Is it late?"), form_of("Say when it is late."), form_of("It is late.")
        ('question', 'instruction', 'passage')
    """
    if _QUESTION.search(text):
        return "question"
    for sentence in _SENTENCES.split(text):
        words = [word.casefold().replace("’", "'") for word in _WORD.findall(sentence)[:3]]
        while len(words) > 1 and words[0] in _OPENERS:
            words.pop(0)
        if words and words[0] in _VERBS:
            return "instruction"
    return "passage"


def forms(suite: Suite) -> Mapping[str, Counter[Form]]:
    """Return how many prompts of each form each task has, controls of others left out."""
    ids = {prompt.id for prompt in suite.prompts}
    return {
        task.name: Counter(form_of(p.text) for p in task.prompts if p.origin not in ids)
        for task in suite.tasks
    }
