"""Tiny masked language models: encoders of the tests' families with the head that predicts."""

from __future__ import annotations

import torch
from families import tiny_model
from transformers import AutoModelForMaskedLM, PreTrainedModel

__all__ = ["masked_model"]


def masked_model(family: str, *, sharpness: float = 10.0) -> PreTrainedModel:
    config = tiny_model(family).config
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3) if weight.dim() == 1 else weight.mul_(sharpness)
    assert isinstance(model, PreTrainedModel)
    return model
