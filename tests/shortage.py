"""Memory that does not hold a batch, and what a run says and writes."""

from __future__ import annotations

from typing import Any

import pytest

from cortexscope.engine import Silent
from cortexscope.engine._batches import Batch
from cortexscope.engine.passes import Reader
from cortexscope.store import Run

__all__ = ["Notes", "everything", "lacking"]


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def lacking(patch: pytest.MonkeyPatch, error: BaseException, *, holds: int, step: bool) -> None:
    """Let passes over more prompts fail: the first over them, or one that reads a further token."""
    real = Reader.run

    def short(self: Reader, batch: Batch, **inputs: Any) -> Any:
        if len(batch.items) > holds and (inputs["input_ids"].shape[1] == 1) == step:
            raise error
        return real(self, batch, **inputs)

    patch.setattr(Reader, "run", short)


def everything(found: Run) -> dict[str, bytes]:
    return {
        str(file.relative_to(found.path)): file.read_bytes()
        for part in ("measurements", "vectors", "generations")
        if (found.path / part).exists()
        for file in sorted((found.path / part).iterdir())
    }
