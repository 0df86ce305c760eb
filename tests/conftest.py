"""Shared by all tests: a small suite, and a tiny model in a folder."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from families import FAMILIES
from hypothesis import HealthCheck, settings
from models.tiny import tiny_config, tiny_tokenizer
from panel import PANEL

# Nothing that is timed may fail a test, as machines are shared.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what `make test` leaves to `make check`: real weights, families off the panel.

    A family on the panel stands for those of its kind.
    """
    for item in items:
        params = getattr(item, "callspec", None)
        asked = params.params.values() if params else ()
        off = any(isinstance(own, str) and own in FAMILIES and own not in PANEL for own in asked)
        if off or item.get_closest_marker("weights"):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave out of every collection what is there to stay: all libraries, and all tests.

    A run collects after each model, and half of its time in a test would go there.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """A small suite of two tasks whose prompts have 1, 8, 15 ... words."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    lines = ["task,id,text"]
    for task in ("counting", "naming"):
        for number in range(6):
            text = " ".join(words[(number + i) % 10] for i in range(1 + 7 * number))
            lines.append(f"{task},{task}-{number},{text}")
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama of random weights and its tokenizer."""
    from transformers import LlamaForCausalLM

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    torch.manual_seed(0)
    LlamaForCausalLM(tiny_config()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder
