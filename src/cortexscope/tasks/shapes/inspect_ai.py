"""inspect_ai's samples, and the samples of its logs with what was sent and how it was scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexscope.tasks._filters import is_list, written
from cortexscope.tasks.shapes._shape import Shape, columns

__all__ = ["SHAPES"]


def _sample(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a sample with what is asked as a text, or as messages, the choices at its end."""
    asked = row.get("messages") or row.get("input")
    choices = row.get("choices")
    if choices and is_list(choices) and not row.get("messages"):
        letters = "\n".join(f"{chr(65 + n)}) {written(one)}" for n, one in enumerate(choices))
        asked = _with(asked, letters)
    epoch, number = row.get("epoch") or 1, row.get("id")
    return {
        **row,
        "messages": asked,
        "id": f"{number}-e{epoch}" if epoch != 1 and number is not None else number,
        "scores": _scores(row.get("scores")),
    }


def _with(asked: Any, letters: str) -> Any:  # noqa: ANN401 - a text, or messages
    if isinstance(asked, str):
        return f"{asked}\n\n{letters}"
    if not (is_list(asked) and asked and isinstance(asked[-1], Mapping)):
        return asked
    last = {**asked[-1], "content": f"{asked[-1].get('content')}\n\n{letters}"}
    return [*asked[:-1], last]


def _scores(scores: object) -> Mapping[str, Any]:
    """Return each scorer's value: C and I stand for right and wrong, as inspect_ai writes them."""
    if not isinstance(scores, Mapping):
        return {}
    values = {
        str(name): score.get("value") if isinstance(score, Mapping) else score
        for name, score in scores.items()
    }
    return {"score": next(iter(values.values()))} if len(values) == 1 else values


def _readable(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("input"), str) or is_list(row.get("input"))


_USES = frozenset(
    {
        "attachments",
        "choices",
        "completed_at",
        "error",
        "error_retries",
        "events",
        "files",
        "input",
        "limit",
        "messages",
        "model_usage",
        "output",
        "role_usage",
        "sandbox",
        "setup",
        "started_at",
        "store",
        "total_time",
        "uuid",
        "working_time",
    }
)

SHAPES = (
    Shape(
        title="samples of an inspect_ai log",
        needs=frozenset({"input", "target", "scores"}),
        fields=columns(messages="messages", id="id", target="target"),
        shown={"messages": "what was sent"},
        uses=_USES,
        fits=_readable,
        prepare=_sample,
        expand=("metadata", "scores"),
    ),
    Shape(
        title="samples of inspect_ai",
        needs=frozenset({"input", "target"}),
        fields=columns(messages="messages", id="id", target="target"),
        shown={"messages": "input"},
        uses=_USES | {"scores"},
        fits=_readable,
        prepare=_sample,
        expand=("metadata",),
    ),
)
