"""Work in threads gives what a loop gives, and its errors."""

from __future__ import annotations

import threading
import time

import pytest

from cortexscope.threads import threaded


def test_what_is_made_comes_in_the_order_of_its_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0.0)
        return number * number

    assert list(threaded(slow_first, range(20))) == [number**2 for number in range(20)]
    assert list(threaded(slow_first, [])) == []


def test_several_items_are_under_way_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    both = threading.Barrier(2, timeout=30)

    def meets(number: int) -> int:
        both.wait()
        return number

    assert list(threaded(meets, [1, 2])) == [1, 2]


@pytest.mark.parametrize("processors", [1, 2])
def test_an_error_comes_to_whoever_asked(monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)

    def fails(number: int) -> int:
        if number == 3:
            raise ValueError("no third")
        return number

    found = threaded(fails, range(6))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no third"):
        next(found)
