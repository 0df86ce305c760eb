from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report.made_runs import SMALL, FakeModel, make_run

from cortexscope.store import Run


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """Return `make_run` in a folder of its own."""

    def maker(*args: Any, **options: Any) -> Run:
        return make_run(tmp_path / "run", *args, **options)

    return maker


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two models, twelve tasks, three prompts a task; to be read, not written to."""
    models = (FakeModel(), dataclasses.replace(SMALL, heads=4))
    return make_run(tmp_path_factory.mktemp("small") / "run", models, prompts=3)
