"""A run keeps freed memory, where the C library can be told to."""

from __future__ import annotations

import sys

import pytest

from cortexscope.engine._allocator import keep_freed_memory


def test_glibc_is_told_and_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform.startswith("linux"):
        assert keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
