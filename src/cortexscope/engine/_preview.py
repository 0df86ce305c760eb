"""What a suite would be to a model, before anything is measured."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cortexscope.engine._encode import Encoded, encode
from cortexscope.engine._request import Settings, Silent
from cortexscope.engine._sources import open_chats, open_source
from cortexscope.errors import SuiteError
from cortexscope.records import Prompt
from cortexscope.tasks import ReadOptions, Suite, near_duplicates, sampled, word_count

__all__ = ["Group", "Preview", "Shown", "preview"]

_SIMILAR = 0.7
_COMPARED = 2000
"""Prompts of which all pairs are looked at; a set of many takes long."""
_COUNTED = 20_000
"""Prompts whose tokens are counted: a sample, where there are more."""
_PAIRS = 10
_LABELS = 20
"""Values of a column that are groups; a column of more numbers is shown by its range alone."""


class Group(NamedTuple):
    """The prompts of a task, or with one value of a column, and the spread of their lengths."""

    name: str
    prompts: int
    least: float
    median: float
    most: float


class Shown(NamedTuple):
    """A prompt as the model would get it."""

    prompt: Prompt
    text: str
    """With its chat template, where it has one."""
    tokens: tuple[str, ...] | None
    """None without a model."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What there is to see of a suite."""

    suite: Suite
    unit: str
    """Of lengths: `tokens` of the model, or `words`."""
    shown: list[Shown]
    tasks: list[Group]
    columns: Mapping[str, list[Group]]
    """The groups of each column of the user's own, the largest first; none where it has more than
    20 values."""
    repeated: list[tuple[Prompt, Prompt, float]]
    """The first pairs with the same or nearly the same text, and their similarity up to 1."""
    compared: int
    """How many prompts were looked at for them."""
    counted: int
    """How many prompts lengths and groups are of."""
    fault: str | None
    """Why the model cannot read the longest prompt, None where it can."""


def preview(
    suite: Suite, reference: str | None = None, *, chat_template: bool = False, prompts: int = 3
) -> Preview:
    """Return what a suite would be read as; of a model only the tokenizer is loaded.

    Args:
        suite: what is looked at.
        reference: of the model; lengths are in words where None.
        chat_template: whether each prompt stands in the model's chat template.
        prompts: how many are shown, from all over the suite.

    Raises:
        ModelError: if the model's tokenizer cannot be read.
        UsageError: if it has no chat template and one is asked for.
        SuiteError: if a prompt has no tokens, or some that the model does not know.
    """
    chosen = suite.prompts[:: max(1, len(suite.prompts) // prompts)][:prompts]
    shown = [Shown(prompt, prompt.text, None) for prompt in chosen]
    pairs = near_duplicates(suite.prompts[:_COMPARED], at_least=_SIMILAR)
    counted, fault = suite, None
    length: Callable[[Prompt], int] = _words
    if reference is not None:
        counted = sampled(suite, ReadOptions(limit=_COUNTED))
        reader = _Reader(reference, suite, chat_template=chat_template)
        encoded = {item.prompt.id: item for item in reader.read(counted.prompts, None)}
        shown = [reader.shown(item) for item in reader.read(chosen, None)]
        longest = max(encoded.values(), key=lambda item: len(item.ids))
        fault = reader.fault(longest.prompt)
        length = lambda prompt: len(encoded[prompt.id].ids)  # noqa: E731
    tasks: dict[str, list[int]] = {}
    columns: dict[str, dict[str, list[int]]] = {}
    for prompt in counted.prompts:
        size = length(prompt)
        tasks.setdefault(prompt.task, []).append(size)
        for name, value in prompt.attributes.items():
            groups = columns.setdefault(name, {})
            if len(groups) <= _LABELS:
                groups.setdefault("(none)" if value is None else str(value), []).append(size)
    return Preview(
        suite=suite,
        unit="words" if reference is None else "tokens",
        shown=shown,
        tasks=[_group(name, sizes) for name, sizes in tasks.items()],
        columns={name: _largest(groups) for name, groups in columns.items()},
        repeated=list(itertools.islice(pairs, _PAIRS)),
        compared=min(_COMPARED, len(suite.prompts)),
        counted=len(counted.prompts),
        fault=fault,
    )


def _words(prompt: Prompt) -> int:
    return word_count(prompt.text)


class _Reader:
    """A model's tokenizer, with its chat template where prompts are read in it."""

    def __init__(self, reference: str, suite: Suite, *, chat_template: bool) -> None:
        settings = Settings(chat_template=chat_template)
        self.source = open_source(reference, settings, Silent())
        chats = open_chats([self.source], settings, Silent(), suite.prompts)
        self.chat = chats.get(self.source.info.model)

    def read(self, prompts: Sequence[Prompt], context: int | None) -> list[Encoded]:
        info = self.source.info
        return encode(
            prompts,
            self.source.tokenizer,
            model=info.model,
            context=context,
            truncate=False,
            vocabulary=info.vocabulary,
            chat=self.chat,
        )[0]

    def shown(self, item: Encoded) -> Shown:
        tokens = self.source.tokenizer.convert_ids_to_tokens(list(item.ids))
        return Shown(item.prompt, item.wrapped or item.prompt.text, tuple(tokens))

    def fault(self, longest: Prompt) -> str | None:
        try:
            self.read([longest], self.source.info.context)
        except SuiteError as error:
            return str(error)
        return None


def _group(name: str, sizes: Sequence[int]) -> Group:
    return Group(name, len(sizes), min(sizes), statistics.median(sizes), max(sizes))


def _largest(groups: Mapping[str, Sequence[int]]) -> list[Group]:
    if len(groups) > _LABELS:
        return []
    found = [_group(value, sizes) for value, sizes in groups.items()]
    return sorted(found, key=lambda group: -group.prompts)
