"""How often chance is taken for what tells right answers from wrong ones, as JSON.

In each simulation right and wrong are drawn without a look at 60 numbers and the vectors of 5
layers, which go with one another, with length and with the task, as metrics do. A finding is a
predictor that is said to beat length and surprisal in one family, as `cortexscope outcomes` says
it. A share of 200 simulations has a standard error of 1.5 points at 0.05.

    python benchmarks/null_outcomes.py [--simulations 200] [--prompts 80] [--right 0.5] [--seed 0]
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from cortexscope.stats import outcome_predictors

__all__ = ["found", "main"]


def found(*, prompts: int, right: float, by_length: bool, rng: np.random.Generator) -> bool:
    """Return whether anything is found among what the outcome was drawn without."""
    tasks = rng.integers(2, size=prompts)
    n_tokens = rng.integers(5, 60, size=prompts).astype(float)
    common = rng.normal(size=prompts)
    shared = 0.7 * common + 0.02 * n_tokens + 0.5 * tasks
    numbers = [shared + 0.7 * rng.normal(size=prompts) for _ in range(60)]
    layers = [rng.normal(size=(prompts, 32)) + common[:, None] + tasks[:, None] for _ in range(5)]
    share = right * (0.8 + 0.4 * tasks)
    if by_length:
        share = 1 / (1 + np.exp((n_tokens - 32) / 15)) * 2 * right
    table = outcome_predictors(
        [*numbers, *layers],
        (rng.random(prompts) < share).astype(float),
        tasks=tasks,
        clusters=np.arange(prompts),
        n_tokens=n_tokens,
        surprisal=0.5 * common + rng.normal(size=prompts),
        rng=rng,
        permutations=500,
    )
    return bool(table["beats"].fillna(value=False).any())


def main() -> None:
    """Print the share of simulations with a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=80)
    parser.add_argument("--right", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    shares = {}
    for by_length in (False, True):
        rng = np.random.default_rng(asked.seed)
        hits = [
            found(prompts=asked.prompts, right=asked.right, by_length=by_length, rng=rng)
            for _ in range(asked.simulations)
        ]
        shares["length decides" if by_length else "nothing decides"] = float(np.mean(hits))
    print(json.dumps({**vars(asked), "findings": shares}))


if __name__ == "__main__":
    main()
