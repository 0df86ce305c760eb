"""The training loop of the examples runs, and is not changed by what watches it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from models.tiny import tiny_config, tiny_tokenizer
from transformers import BatchEncoding, LlamaForCausalLM

EXAMPLE = Path(__file__).parents[1] / "examples" / "training_loop.py"


def batches(count: int) -> list[BatchEncoding]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(count):
        ids = torch.randint(3, len(tiny_tokenizer()), (2, 9), generator=generator)
        mask = torch.ones_like(ids)
        mask[1, 6:] = 0
        made.append(BatchEncoding({"input_ids": ids, "attention_mask": mask}))
    return made


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_config(num_hidden_layers=2, attention_dropout=0.1))


def test_the_training_loop_trains_as_if_nobody_watched() -> None:
    found = importlib.util.spec_from_file_location("training_loop", EXAMPLE)
    assert found is not None
    assert found.loader is not None
    example = importlib.util.module_from_spec(found)
    found.loader.exec_module(example)
    results = {}
    for every in (1, 2, 100):
        torch.manual_seed(2)
        own = model()
        losses, frame = example.train(own, batches(6), every=every, learning_rate=1e-2)
        results[every] = losses
        assert sorted(set(frame["training_step"])) == [*range(0, 6, every)]
        assert set(frame["metric"]) == set(example.METRICS)
        norms = frame[(frame["metric"] == "residual_norm") & (frame["layer"] == 2)]
        assert len(norms) == 2 * len(range(0, 6, every))
    assert results[1] == results[2] == results[100]
    assert len(set(results[1])) == 6
