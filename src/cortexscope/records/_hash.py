"""The hash of the prompts of a suite, by which a run says what it read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from cortexscope.records._prompts import Prompt

__all__ = ["suite_hash"]


def suite_hash(tasks: Iterable[tuple[str, Sequence[Prompt]]]) -> str:
    """Return the SHA-256 over tasks and prompts in canonical order, in hexadecimal.

    Args:
        tasks: the name and the prompts of each, in any order.
    """
    # Piece by piece, as the whole of it may be larger than the suite.
    canonical = hashlib.sha256(b"{")
    for place, (task, prompts) in enumerate(sorted(tasks, key=lambda own: own[0])):
        canonical.update(f"{',' if place else ''}{json.dumps(task)}:{{".encode("ascii"))
        ids, contents = [], []
        for prompt in prompts:
            ids.append(prompt.id)
            contents.append(json.dumps(_content(prompt), separators=(",", ":")))
        for number, found in enumerate(sorted(range(len(ids)), key=ids.__getitem__)):
            piece = f"{',' if number else ''}{json.dumps(ids[found])}:{contents[found]}"
            canonical.update(piece.encode("ascii"))
        canonical.update(b"}")
    canonical.update(b"}")
    return canonical.hexdigest()


def _content(prompt: Prompt) -> str | list[Any]:
    # Shorter where there is less, as it was before there were turns, controls, and targets.
    if prompt.turns:
        turns = [[turn.role, turn.content] for turn in prompt.turns]
        return [turns, prompt.target, prompt.control, prompt.origin]
    if prompt.control:
        return [prompt.text, prompt.target, prompt.control, prompt.origin]
    return [prompt.text, prompt.target] if prompt.target else prompt.text
