"""lm-eval's logs of samples: the prompt that was sent, the target, the scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cortexscope.tasks._filters import Absent, is_list, written
from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]

_NAME = re.compile(r"samples_(?P<task>.+?)(?:_\d{4}-\d{2}-\d{2}T[\d.:-]+)?")


def _sent(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a sample with the request of the right choice, or the only one, as its text."""
    requests = [_request(one) for one in _listed(row.get("arguments"))]
    if not requests:
        return row
    target = row.get("target")
    place = target if isinstance(target, int) and not isinstance(target, bool) else -1
    several = len(requests) > 1 and 0 <= place < len(requests)
    prompt, continuation = requests[place if several else 0]
    chosen = row.get("filter")
    numbered = f"{row.get('doc_id')}"
    match = _NAME.fullmatch(name)
    return {
        **row,
        "text": prompt,
        "target": continuation.strip() if several and continuation else target,
        "task": match["task"] if match else name,
        "id": numbered if chosen in (None, "none") else f"{numbered}-{written(chosen)}",
    }


def _listed(arguments: object) -> list[Any]:
    # Newer logs write a mapping of mappings, older ones a list of lists.
    if isinstance(arguments, Mapping):
        return list(arguments.values())
    return list(arguments) if is_list(arguments) else []  # type: ignore[call-overload]


def _request(one: object) -> tuple[str, str | None]:
    parts = list(one.values()) if isinstance(one, Mapping) else one
    if not is_list(parts) or not parts or not isinstance(parts[0], str):  # type: ignore[index]
        raise Absent("a request holds no prompt")
    more = parts[1] if len(parts) > 1 else None  # type: ignore[arg-type, index]
    return parts[0], more if isinstance(more, str) else None  # type: ignore[index]


SHAPES = (
    Shape(
        title="samples of an lm-eval log",
        needs=frozenset({"doc", "arguments", "target"}),
        fields=columns(text="text", task="task", id="id", target="target"),
        shown={"text": "the prompt that was sent", "task": "the file's name", "id": "doc_id"},
        uses=frozenset(
            {
                "arguments",
                "doc",
                "doc_hash",
                "doc_id",
                "filter",
                "filtered_resps",
                "metrics",
                "prompt_hash",
                "resps",
                "target_hash",
            }
        ),
        prepare=_sent,
    ),
)
