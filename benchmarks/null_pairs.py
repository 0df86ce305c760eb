"""How often a comparison finds a difference where there is none, as JSON.

A tiny model of random weights reads prompts once. In each simulation these are shuffled and cut
into two halves, which stand for two models on as many prompts: whatever differs between them is
chance. The tests are those of `cortexscope compare`: signs of paired differences flipped, for the
mean of each metric at equal lengths, for bits per byte, and for all layers of a metric at once
(max-T). A share of 200 simulations has a standard error of 1.5 points at 0.05.

    python benchmarks/null_pairs.py [--simulations 200] [--prompts 80] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cortexscope.analysis import head_values, prompt_values
from cortexscope.engine import RunRequest, run
from cortexscope.stats import layer_contrasts, max_t_paired, model_effect
from cortexscope.store import Measurements
from cortexscope.tasks import load_suite

__all__ = ["main", "measured", "rejections"]

METRICS = ("residual_norm", "attention_entropy_normalized", "near_zero_fraction", "surprisal")
ALPHA = 0.05
SIDES = ("one", "other")


def measured(folder: Path, *, prompts: int, seed: int = 0) -> Measurements:
    """Return what a tiny model gives for random prompts of 5 to 60 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    rng = np.random.default_rng(seed)
    words = ["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(60))]
    made = Tokenizer(models.WordLevel({own: n for n, own in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=4,
        num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder / "model")
    texts = [" ".join(rng.choice(words[3:], size=int(rng.integers(5, 60)))) for _ in range(prompts)]
    request = RunRequest(
        models=(f"tiny={folder / 'model'}",),
        suite=load_suite(texts),
        metrics=(*METRICS, "bits_per_byte"),
        out=folder / "run",
        selfcheck=False,
    )
    return Measurements.of(run(request))


def rejections(
    of: Measurements, *, simulations: int, seed: int = 0, permutations: int = 1000
) -> dict[str, float]:
    """Return the share of simulations in which each test finds a difference at 0.05.

    Args:
        of: of one model.
        simulations: how often its prompts are halved.
        seed: of all that is drawn.
        permutations: how many a p-value takes.
    """
    rng = np.random.default_rng(seed)
    prompts = of.prompts["prompt_id"].to_numpy()
    values, layers = prompt_values(of, [*METRICS, "bits_per_byte"]), head_values(of, METRICS)
    keys = ["metric", "task", "prompt_id", "layer"]
    layers = layers.groupby(keys, observed=True)["value"].mean().reset_index()
    found: dict[str, list[bool]] = {}
    for _ in range(simulations):
        order = rng.permutation(prompts)
        for metric, own in values.groupby("metric", sort=False):
            pairs = _paired(own, order)
            if metric == "bits_per_byte":
                wide = pairs.pivot(index="prompt_id", columns="model", values="value")
                apart = (wide[SIDES[1]] - wide[SIDES[0]]).to_numpy()
                p = float(max_t_paired(apart, rng=rng, permutations=permutations).p[0])
            else:
                effect = model_effect(pairs, rng=rng, permutations=permutations)
                p = np.nan if effect.p is None else effect.p
            found.setdefault(f"{metric}, at equal lengths", []).append(p <= ALPHA)
        for metric, own in layers.astype({"prompt_id": str, "metric": str}).groupby("metric"):
            contrasts = layer_contrasts(
                _paired(own, order), SIDES[1], SIDES[0], by="model", rng=rng,
                permutations=permutations,
            )  # fmt: skip
            found.setdefault(f"{metric}, any layer", []).append(
                bool((contrasts["p_max_t"] <= ALPHA).any())
            )
    return {name: float(np.mean(own)) for name, own in found.items()}


def _paired(values: pd.DataFrame, order: NDArray[np.object_]) -> pd.DataFrame:
    """Return the two halves of the prompts as two models' values of as many."""
    half = len(order) // 2
    place = {name: number for number, name in enumerate(order[: 2 * half])}
    own = values[values["prompt_id"].isin(place)].copy()
    numbers = own["prompt_id"].map(place).astype(int).to_numpy()
    own["model"] = np.where(numbers < half, *SIDES)
    own["prompt_id"] = [f"pair {number % half:03d}" for number in numbers]
    return own.assign(cluster=own["prompt_id"])


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        of = measured(Path(folder), prompts=asked.prompts, seed=asked.seed)
        shares = rejections(of, simulations=asked.simulations, seed=asked.seed)
    print(json.dumps({**shares, "mean": float(np.mean([*shares.values()]))}, indent=2))


if __name__ == "__main__":
    main()
