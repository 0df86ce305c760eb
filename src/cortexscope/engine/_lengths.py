"""How long the prompts of a suite are for a model, and its largest part of equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from cortexscope import models
from cortexscope.engine._encode import encode
from cortexscope.errors import UsageError
from cortexscope.stats import Matched, matched_by_length
from cortexscope.tasks import Suite, Task

__all__ = ["LengthMatched", "match_lengths"]


class LengthMatched(NamedTuple):
    """A suite in which tasks do not differ in length, and how that was reached."""

    suite: Suite
    found: Matched


def match_lengths(
    suite: Suite, references: Sequence[str], *, ratio: float = 1.15, tokenizer: str | None = None
) -> LengthMatched:
    """Return the largest part of a suite whose tasks have prompts of the same lengths.

    Lengths are in tokens of the models' tokenizers, special ones counted; no weights are loaded.

    Args:
        suite: controls in it are left out.
        references: models; of several, a prompt's length is the geometric mean.
        ratio: how many times as long as the shortest the longest prompt of a set may be.
        tokenizer: the model whose tokenizer is taken in place of each model's own.

    Raises:
        UsageError: if no model is named, or the ratio is not above 1.
        SuiteError: if no prompts of all tasks are alike.
        ModelError: if a tokenizer cannot be read.
    """
    if not references:
        raise UsageError("Matching counts tokens; name a model with --model, such as demo-decoder.")
    prompts = [prompt for prompt in suite.prompts if prompt.control is None]
    counts: dict[str, list[int]] = {prompt.id: [] for prompt in prompts}
    for reference in models.expand(references):
        source = models.open_model(reference, models.LoadOptions(tokenizer=tokenizer))
        encoded, _ = encode(
            prompts, source.tokenizer, model=source.info.model, context=None, truncate=False
        )
        for item in encoded:
            counts[item.prompt.id].append(len(item.ids))
    found = matched_by_length(
        {
            task.name: {p.id: counts[p.id] for p in task.prompts if p.control is None}
            for task in suite.tasks
        },
        ratio=ratio,
    )
    kept = frozenset(found.ids)
    tasks = (
        Task(task.name, task.description, tuple(p for p in task.prompts if p.id in kept))
        for task in suite.tasks
    )
    return LengthMatched(replace(suite, name=f"{suite.name}-matched", tasks=tuple(tasks)), found)
