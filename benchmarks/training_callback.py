"""What it costs to measure a model while it is trained, in seconds of CPU.

`python benchmarks/training_callback.py` trains demo-decoder for a few steps on prompts of the
built-in suite, and measures it on 60 others by `CortexscopeCallback.measure`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

import cortexscope
from cortexscope.tasks import ReadOptions, sampled


def main() -> None:
    """Print the median seconds of CPU of a step and of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=2048, help="of a step of the training")
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    loaded = cortexscope.load_model("demo-decoder")
    model = loaded.module.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)
    suite = sampled(cortexscope.load_suite("cognitive"), ReadOptions(limit=asked.prompts))
    text = " ".join(prompt.text for prompt in cortexscope.load_suite("cognitive").prompts)
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"][0, : asked.tokens].view(-1, 256)
    steps, measured = [], []
    with TemporaryDirectory() as folder:
        watch = cortexscope.CortexscopeCallback(
            Path(folder), suite=suite, tokenizer=loaded.tokenizer
        )
        watch.measure(model, 0)
        for number in range(asked.times):
            began = time.process_time()
            model(input_ids=ids, labels=ids).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            between = time.process_time()
            watch.measure(model, number + 1)
            steps.append(between - began)
            measured.append(time.process_time() - between)
    print(f"a step of {ids.numel()} tokens: {median(steps):.1f} s of CPU")
    print(f"a measurement of {len(suite.prompts)} prompts: {median(measured):.1f} s of CPU")


if __name__ == "__main__":
    main()
