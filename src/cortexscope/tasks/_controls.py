"""Controls of prompts: what a metric says of them shows what it does not say of the task.

Every control is made from the prompt alone, by hashes in place of random numbers, so that it is
the same on every machine and in every version, whatever other prompts there are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

from cortexscope.errors import UnknownNameError, UsageError
from cortexscope.records import Control, Prompt
from cortexscope.registry import suggestion
from cortexscope.tasks._suite import Suite, Task
from cortexscope.tasks._turns import transcript

__all__ = ["CONTROLS", "random_tokens", "shuffled", "with_controls"]

CONTROLS: tuple[Control, ...] = get_args(Control)
"""The names of the controls."""

_WORD = re.compile(r"\S+")


def with_controls(suite: Suite, names: Iterable[str], *, paraphrases: Suite | None = None) -> Suite:
    """Return the suite with controls of its prompts, which are linked to them by their origin.

    `shuffled` has the words of each prompt in another order; prompts without two different words
    have none. `random` has as many tokens, drawn when a model's tokenizer reads the prompt.
    `paraphrase` says it in other words, where somebody wrote them.

    Args:
        suite: what it holds as paraphrases already stays, and has no controls of its own.
        names: of `CONTROLS`.
        paraphrases: further prompts, of which those with an origin in the suite are taken.

    Raises:
        UnknownNameError: if there is no such control.
        UsageError: if paraphrases are asked for, and there are none.
    """
    wanted = dict.fromkeys(names)
    for name in wanted:
        if name not in CONTROLS:
            raise UnknownNameError(f"There is no control {name!r}; {suggestion(name, CONTROLS)}")
    own = {prompt.id for prompt in suite.prompts if prompt.control is None}
    in_other_words: dict[str, list[Prompt]] = {}
    for prompt in paraphrases.prompts if paraphrases and "paraphrase" in wanted else ():
        if prompt.origin in own and prompt.id not in own:
            in_other_words.setdefault(str(prompt.origin), []).append(prompt)
    stored = any(prompt.origin in own for prompt in suite.prompts)
    if "paraphrase" in wanted and not (stored or in_other_words):
        raise UsageError(
            f"Suite {suite.name!r} has no paraphrases; write some with paraphrase_of: ID beside "
            "their text, or leave out --control paraphrase."
        )

    def made(prompt: Prompt) -> list[Prompt]:
        if prompt.control is not None:
            return []
        controls = list(in_other_words.get(prompt.id, ()))
        mixed = _shuffled(prompt) if "shuffled" in wanted else None
        if mixed is not None:
            controls.append(mixed)
        if "random" in wanted:
            controls.append(_control(prompt, "random"))
        return controls

    tasks = (
        Task(
            task.name,
            task.description,
            tuple(each for prompt in task.prompts for each in (prompt, *made(prompt))),
        )
        for task in suite.tasks
    )
    return replace(suite, tasks=tuple(tasks))


def _control(prompt: Prompt, control: Control) -> Prompt:
    return replace(prompt, id=f"{prompt.id}~{control}", control=control, origin=prompt.id)


def _shuffled(prompt: Prompt) -> Prompt | None:
    """Return a prompt with its words, or those of its last turn, in another order."""
    made = _control(prompt, "shuffled")
    if not prompt.turns:
        mixed = shuffled(prompt.text, seed=prompt.id)
        return None if mixed is None else replace(made, text=mixed)
    *before, last = prompt.turns
    mixed = shuffled(last.content, seed=prompt.id)
    if mixed is None:
        return None
    turns = (*before, last._replace(content=mixed))
    return replace(made, text=transcript(turns), turns=turns)


def shuffled(text: str, *, seed: str) -> str | None:
    """Return the text with its words in another order, the spaces between them as they were.

    A word is what stands between white space, with its marks. None if all words are the same.

    Args:
        text: of two words or more.
        seed: what the order depends on besides the number of words, such as the prompt's id.

    Example:
        >>> shuffled("one two three four", seed="a")
        'two three one four'
        >>> shuffled("one", seed="a") is None
        True
    """
    words = _WORD.findall(text)
    if len(set(words)) < 2:
        return None
    order = sorted(range(len(words)), key=lambda number: _drawn(seed, number))
    mixed = [words[number] for number in order]
    while mixed == words:
        mixed = mixed[1:] + mixed[:1]
    found = iter(mixed)
    return _WORD.sub(lambda _: next(found), text)


def random_tokens(
    ids: Sequence[int], *, allowed: Sequence[int], keep: frozenset[int], seed: str
) -> tuple[int, ...]:
    """Return as many ids, all but those to be kept drawn from those allowed, all equally likely.

    Args:
        ids: of the prompt.
        allowed: from which are drawn.
        keep: ids that stay where they are, such as special tokens.
        seed: what the draw depends on, such as the prompt's id.

    Example:
        >>> random_tokens([0, 7, 7, 1], allowed=[5], keep=frozenset({0, 1}), seed="a")
        (0, 5, 5, 1)
    """
    return tuple(
        token if token in keep else allowed[_drawn(seed, place) % len(allowed)]
        for place, token in enumerate(ids)
    )


def _drawn(seed: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{number}".encode()).digest()[:16], "big")
