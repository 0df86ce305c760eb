"""Watch a model in a training loop of your own: the passes that train it are those measured.

`python examples/training_loop.py` trains demo-decoder for 20 steps on the reviews beside this file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from transformers import BatchEncoding

import cortexscope

METRICS = ("residual_norm", "attention_entropy_normalized", "attention_sink_mass")


def train(
    model: nn.Module,
    batches: Iterable[BatchEncoding],
    *,
    every: int,
    metrics: Sequence[str] = METRICS,
    learning_rate: float = 1e-4,
) -> tuple[list[float], pd.DataFrame]:
    """Return the loss of each step, and what every so many of them show inside the model."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    losses, frames = [], []
    model.train()
    for step, batch in enumerate(batches):
        # Padding is no text to be predicted.
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        if step % every == 0:
            # The pass computes what it would have computed anyway; nothing stays behind.
            with cortexscope.attach(model, metrics=metrics) as probe:
                loss = model(**batch, labels=labels).loss
            frames.append(probe.frame().assign(training_step=step))
        else:
            loss = model(**batch, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses, pd.concat(frames)


def main() -> None:
    """Train demo-decoder a little, and print how its layers change."""
    with (Path(__file__).parent / "reviews.csv").open(encoding="utf-8") as file:
        texts = [row["review"] for row in csv.DictReader(file)]
    loaded = cortexscope.load_model("demo-decoder")
    loaded.module.requires_grad_(True)
    loaded.tokenizer.pad_token = loaded.tokenizer.pad_token or loaded.tokenizer.eos_token
    batches = (
        loaded.tokenizer(texts[4 * step : 4 * step + 4], padding=True, return_tensors="pt")
        for step in range(20)
    )
    losses, frame = train(loaded.module, batches, every=5)
    means = frame.groupby(["training_step", "metric"])["value"].mean().unstack()
    print(means.assign(loss=pd.Series(losses)).to_string(float_format="%.4f"))


if __name__ == "__main__":
    main()
