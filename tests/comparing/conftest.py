"""Tiny models in folders, and changed copies of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from families import tiny_model
from models.tiny import tiny_config, tiny_tokenizer
from torch import nn
from transformers import LlamaForCausalLM

from cortexscope.comparing._compare import Extras, compared
from cortexscope.engine import RunRequest, Settings
from cortexscope.store import Run

Change = Callable[[Any], None]
Comparer = Callable[..., Run]

QUIET = ("residual_norm",)


def saved(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def small(folder: Path, *, layers: int = 4, seed: int = 0, change: Change | None = None) -> Path:
    """Save a tiny Llama, changed where asked for."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(tiny_config(num_hidden_layers=layers))
    if change is not None:
        with torch.no_grad():
            change(model)
    return saved(folder, model)


def noisy(model: nn.Module, *, scale: float = 0.05, seed: int = 5) -> None:
    """Move every weight a little."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.add_(scale * weight.std() * noise if weight.numel() > 1 else 0)


def of_family(folder: Path, family: str) -> tuple[Path, Path]:
    """Save a tiny model of a family and a noisy copy."""
    model = tiny_model(family)
    first = saved(folder / "first", model)
    noisy(model)
    return first, saved(folder / "second", model)


def texts_of(suite: Path) -> dict[str, str]:
    with suite.open(encoding="utf-8") as file:
        return {row["id"]: row["text"] for row in csv.DictReader(file)}


@pytest.fixture
def comparer(suite_file: Path, tmp_path: Path) -> Comparer:
    """Compares models in folders on the small suite."""

    def made(
        models: Sequence[str], *, metrics: tuple[str, ...] = QUIET, name: str = "run", **asked: Any
    ) -> Run:
        request = RunRequest(
            models=tuple(models),
            suite=suite_file,
            metrics=metrics,
            out=tmp_path / name,
            selfcheck=False,
            resume=asked.pop("resume", False),
            settings=asked.pop("settings", Settings(batch_tokens=64, shard_batches=1)),
        )
        return compared(request, Extras(**asked))

    return made
