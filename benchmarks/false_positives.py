"""How often tests of tasks and of models reject at 5 % where neither does anything.

Values are made for suites of several sizes, in worlds where a task has no effect of its own: tasks
do not differ in length, or they differ in length only, and the value follows the tokens along a
curve, also with prompts that scatter more, or less, the longer they are. Beside the test that is
reported by default stand those that are not: the raw permutation test and the Wald tests of the
mixed model. Then the same of models: they read the same prompts, cut into other numbers of tokens.

    python benchmarks/false_positives.py [--simulations N] [--permutations N] [--seed N] [--json]

Each share comes with Wilson's interval, since 500 simulations of a test that rejects 5 % give 3.4
to 7.3 %. The mixed model is fitted to every tenth simulation. Simulation i of a row is drawn from
the seed, the row's name and i. About 8 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from cortexscope.stats._mixed import mixed_model
from cortexscope.stats._model_effect import model_effect
from cortexscope.stats._task_effect import task_effect
from cortexscope.stats._units import Units, units_of

ALPHA = 0.05
SIZES = ((12, 14), (12, 42), (3, 10))
"""Tasks, and prompts of each."""
MODELS = (1, 2, 6)
FACTORS = (1.0, 1.25, 0.9, 1.1, 1.4, 1.0)
"""Tokens of each model's tokenizer to a token of the first one's."""
OF_A_SUITE = 10
"""Simulations with one draw of lengths; of the mixed model, which takes longer, the first."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class World(NamedTuple):
    """What the value of a prompt depends on; never its task or the model."""

    spaced: float
    """How far tasks' mean log lengths scatter; within a task the standard deviation is 0.4."""
    curve: Callable[[Array], Array]
    """What log tokens do."""
    scatter: Callable[[Array], Array]
    """Standard deviation at log tokens."""
    skewed: bool = False
    """Whether what scatters is log-normal instead of normal."""
    uneven: bool = False
    """Whether models scatter differently, each 1.6 times as much as the one before."""


def flat(logs: Array) -> Array:
    return np.zeros_like(logs)


def alike(logs: Array) -> Array:
    return np.full_like(logs, 0.3)


def wider(logs: Array) -> Array:
    return np.asarray(0.3 * np.exp(logs - 3.5))


WORLDS = {
    "nothing": World(0.0, flat, alike),
    "nothing, skewed": World(0.0, flat, alike, skewed=True),
    "log": World(0.3, lambda logs: logs, alike),
    "square": World(0.3, lambda logs: (logs - 3.5) ** 2, alike),
    "saturating": World(0.3, lambda logs: 3.0 / (1.0 + np.exp(-3.0 * (logs - 3.2))), alike),
    "linear in tokens": World(0.3, lambda logs: np.exp(logs) / 20.0, alike),
    "long ones scatter more": World(0.3, lambda logs: logs, wider),
    "short ones scatter more": World(0.3, lambda logs: logs, lambda logs: wider(7.0 - logs)),
}
PAIRED = {
    "nothing": World(0.0, flat, alike),
    "nothing, uneven": World(0.0, flat, alike, uneven=True),
    "log": World(0.3, lambda logs: logs, alike),
    "square": World(0.3, lambda logs: (logs - 3.5) ** 2, alike),
    "long ones scatter more": World(0.3, lambda logs: logs, wider),
    "log, uneven": World(0.3, lambda logs: logs, alike, uneven=True),
}


@dataclass(frozen=True, slots=True)
class Row:
    """How often each test rejects; None where it is undefined throughout."""

    of: str
    world: str
    models: int
    tasks: int
    prompts: int
    simulations: int
    undefined: int
    """Simulations in which the default test has no p, since lengths do not overlap."""
    default: float | None
    low: float | None
    high: float | None
    raw: float | None
    mixed: float | None
    """The mixed model's own test, with length."""
    mixed_raw: float | None
    """The mixed model's own test, without length."""
    seconds: float


class Suite(NamedTuple):
    """Prompts with their lengths, and a frame without values."""

    tokens: Array
    """[prompt, model]."""
    frame: pd.DataFrame
    units: Units


def suite(
    world: World, *, models: int, tasks: int, prompts: int, rng: np.random.Generator
) -> Suite:
    """Return prompts of tasks with the world's lengths."""
    task = np.repeat(np.arange(tasks), prompts)
    n = len(task)
    logs = 3.5 + world.spaced * rng.permutation(np.linspace(-1.5, 1.5, tasks))[task]
    logs = np.clip(logs + 0.4 * rng.normal(size=n), np.log(4), np.log(400))
    ratios = np.array(FACTORS)[:models] * np.exp(0.05 * rng.normal(size=(n, models)))
    tokens = np.rint(np.exp(logs)[:, None] * ratios)
    frame = pd.DataFrame(
        {
            "model": np.repeat([f"model-{model}" for model in range(models)], n),
            "task": np.tile([f"task-{code:02d}" for code in task], models),
            "prompt_id": np.tile([f"prompt-{place:03d}" for place in range(n)], models),
            "n_tokens": tokens.T.ravel().astype(int), "value": 0.0,
        }
    )  # fmt: skip
    frame["cluster"] = frame["prompt_id"]
    return Suite(tokens, frame, units_of(frame))


def drawn(world: World, prompts: Suite, rng: np.random.Generator) -> Array:
    """Return values of the prompts, [prompt, model]."""
    n, models = prompts.tokens.shape
    own = rng.normal(size=(n, models)) * (1.6 if world.uneven else 1.0) ** np.arange(models)
    noise = (rng.normal(size=(n, 1)) + own) / math.sqrt(2)
    noise = np.exp(noise) - math.exp(0.5) if world.skewed else noise
    logs = np.log(prompts.tokens)
    return np.asarray(world.curve(logs) + world.scatter(logs) * noise)


def p_values(
    prompts: Suite, values: Array, of: str, options: argparse.Namespace, rng: np.random.Generator
) -> list[float]:
    """Return p of the default and the raw test; NaN where undefined."""
    units = replace(prompts.units, values=values)
    effect_of = task_effect if of == "tasks" else model_effect
    effect = effect_of(units, rng=rng, permutations=options.permutations)
    return [math.nan if p is None else p for p in (effect.p, effect.raw.p)]


def wald(prompts: Suite, values: Array, of: str) -> list[float]:
    """Return p of the mixed model's own tests, with length and without; NaN where undefined."""
    mixed = mixed_model(prompts.frame.assign(value=values.T.ravel()))
    fits = (mixed.adjusted, mixed.raw)
    found = [fit.task.p if of == "tasks" else fit.model.p for fit in fits]
    return [math.nan if p is None else p for p in found]


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the interval of 95 % of a share of n."""
    z = 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(centre - half, 0.0), centre + half


def measured(
    of: str, name: str, size: tuple[int, int], models: int, options: argparse.Namespace
) -> Row:
    """Return how often the tests reject in one world at one size."""
    world = (WORLDS if of == "tasks" else PAIRED)[name]
    key = zlib.crc32(f"{of} {name} {size} {models}".encode())
    started = time.perf_counter()
    found, mixed = [], []
    for number in range(options.simulations):
        rng = np.random.default_rng([options.seed, key, number])
        if number % OF_A_SUITE == 0:
            prompts = suite(world, models=models, tasks=size[0], prompts=size[1], rng=rng)
        values = drawn(world, prompts, rng)
        found.append(p_values(prompts, values, of, options, rng))
        if number % OF_A_SUITE == 0:
            mixed.append(wald(prompts, values, of))
    shares = [rejected(column) for column in (*np.array(found).T, *np.array(mixed).T)]
    known = int((~np.isnan(np.array(found)[:, 0])).sum())
    low, high = (None, None) if shares[0] is None else wilson(shares[0], known)
    return Row(
        of, name, models, *size, options.simulations, options.simulations - known,
        shares[0], low, high, *shares[1:], round(time.perf_counter() - started, 1),
    )  # fmt: skip


def rejected(p: Array) -> float | None:
    """Return the share of defined tests that reject."""
    known = p[~np.isnan(p)]
    return float((known <= ALPHA).mean()) if len(known) else None


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield every row, of tasks and of models."""
    for size in SIZES:
        for models in MODELS:
            for name in WORLDS:
                yield measured("tasks", name, size, models, options)
            for name in PAIRED if models > 1 else ():
                yield measured("models", name, size, models, options)


def percent(share: float | None) -> str:
    return "     –" if share is None else f"{100 * share:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=500, help="of each row (500)")
    parser.add_argument("--permutations", type=int, default=199, help="of each test (199)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one row a line, as JSON")
    options = parser.parse_args()
    if not options.json:
        print("share of tests that reject, in %     default  interval        raw  mixed  mixed raw")
    inside, defined = 0.0, 0
    for row in rows(options):
        if options.json:
            print(json.dumps(asdict(row)), flush=True)
            continue
        known = row.simulations - row.undefined
        inside += known * (row.default or 0.0)
        defined += known
        interval = f"{percent(row.low)} to{percent(row.high)}"
        print(
            f"{row.of:6} {row.models} models {row.tasks:2} x {row.prompts} {row.world:23}"
            f"{percent(row.default)} {interval} {percent(row.raw)} {percent(row.mixed)}"
            f" {percent(row.mixed_raw)}  ({row.undefined} undefined, {row.seconds} s)",
            flush=True,
        )
    if defined:
        print(f"all together: the default test rejects {percent(inside / defined).strip()} %")


if __name__ == "__main__":
    main()
