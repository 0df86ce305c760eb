"""Tiny models with a tokenizer, loaded, and batches of prompts for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from batches import prompts
from families import FAMILIES, tiny_model
from models.tiny import tiny_tokenizer

from cortexscope import load_model
from cortexscope.comparing import ModelSide
from cortexscope.engine import Batch, Encoded
from cortexscope.records import Prompt

Loaded = Callable[..., ModelSide]


def batch_of(lengths: Sequence[int], *, pair: bool = False, seed: int = 3) -> Batch:
    """Return prompts of random tokens."""
    rows = prompts([*lengths], seed=seed)
    targets = prompts([max(2, n // 2) for n in lengths], seed=4)
    return Batch(
        tuple(
            Encoded(
                Prompt(id=f"p{number}", task="counting", text="one"),
                tuple(row),
                tuple(target) if pair else None,
            )
            for number, (row, target) in enumerate(zip(rows, targets, strict=True))
        )
    )


def save(folder: Path, model: Any) -> Path:
    """Save a model, and a tokenizer beside it."""
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Loads a tiny model of a family, changed where asked for."""

    def made(family: str, change: Callable[[Any], None] | None = None) -> ModelSide:
        model = tiny_model(family)
        if change is not None:
            with torch.no_grad():
                change(model)
        return ModelSide(load_model(f"tiny={save(tmp_path / family, model)}"))

    return made


def is_pair(family: str) -> bool:
    """Return whether a family has an encoder and a decoder."""
    return FAMILIES[family].kind == "encoder-decoder"
