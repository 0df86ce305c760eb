"""How well the sample of a prompt's tokens stands for all of them, metric by metric, as CSV.

The demo models read a suite twice, with metrics that look at a sample of each prompt's tokens: all
tokens, and the sample. Over prompts, each metric's values of the one run are correlated with those
of the other: averaged over layers and heads, as tables are; layer by layer, of which the worst is
kept; and over the prompts that have more tokens than the sample, since all others are the same.

    python benchmarks/sampling.py FOLDER    # the runs are kept there; writes docs/sampling.csv
    python benchmarks/sampling.py FOLDER --metrics gini    # only these rows of the file

Half an hour or more on two cores, nearly all of it the logit lens at every token of every layer; a
run that was interrupted goes on. `make metrics` shows the file in docs/metrics.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cortexscope.engine import RunRequest, Settings, run
from cortexscope.metrics import GROUPS, METRICS
from cortexscope.store import Run

__all__ = ["COLUMNS", "agreement", "measured", "sampled_metrics"]

OUT = Path(__file__).parents[1] / "docs" / "sampling.csv"
MODELS = ("demo-decoder", "demo-encoder")
PARTLY = ("massive_activations",)
"""Metrics of all tokens that take one number of the sample."""
COLUMNS = (
    "metric",
    "model",
    "prompts",
    "longer",
    "r",
    "worst_layer",
    "worst_r",
    "r_longer",
    "shift",
)


def sampled_metrics() -> tuple[str, ...]:
    """Return the built-in metrics that look at a sample of a prompt's tokens."""
    names = [name for rows in GROUPS.values() for name in rows]
    return tuple(name for name in names if METRICS.load(name).spec.sampled or name in PARTLY)


def measured(
    folder: Path,
    models: Sequence[str],
    suite: str | Path,
    *,
    metrics: Sequence[str],
    sample: int | None,
) -> Run:
    """Return a run of these metrics, finished where one was begun."""
    request = RunRequest(
        models=tuple(models),
        out=folder,
        suite=suite,
        metrics=tuple(metrics),
        settings=Settings(sample_tokens=sample),
        resume=True,
        selfcheck=False,
    )
    return run(request)


def agreement(exact: Run, sampled: Run) -> pd.DataFrame:
    """Return how each metric's values of two runs agree, a metric and model a row.

    `prompts` have a value in both runs, and `longer` of them more tokens than the sample. `r` is
    Pearson's over all of them, `r_longer` over the longer ones, `worst_r` that of the layer where
    it is lowest; NaN where either side is constant. `shift` is by how much the sampled values are
    above the exact ones on average, in standard deviations of these.
    """
    size = sampled.manifest.settings["sample_tokens"]
    keys = ["metric", "model", "prompt_id", "layer"]
    sides = []
    for side in (exact, sampled):
        frame = side.measurements().dropna(subset=["value"])
        frame["layer"] = frame["layer"].fillna(-1).astype(int)
        sides.append(frame.groupby([*keys, "n_tokens"])["value"].mean())
    both = pd.concat(sides, axis=1, join="inner", keys=["exact", "sampled"]).reset_index()
    rows = [
        (metric, model, *_of_metric(own, size))
        for (metric, model), own in both.groupby(["metric", "model"])
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_metric(own: pd.DataFrame, size: int) -> Iterator[float | int | None]:
    whole = own.groupby(["prompt_id", "n_tokens"])[["exact", "sampled"]].mean().reset_index()
    longer = whole[whole["n_tokens"] > size]
    layers = {int(layer): _r(part) for layer, part in own[own["layer"] >= 0].groupby("layer")}
    known = {layer: r for layer, r in layers.items() if not math.isnan(r)}
    worst = min(known, key=lambda layer: known[layer]) if known else None
    spread = whole["exact"].std()
    yield len(whole)
    yield len(longer)
    yield _r(whole)
    yield worst
    yield math.nan if worst is None else known[worst]
    yield _r(longer)
    yield (whole["sampled"] - whole["exact"]).mean() / spread if spread else math.nan


def _r(pairs: pd.DataFrame) -> float:
    """Return Pearson's r of two columns; NaN where one of them is constant."""
    if len(pairs) < 3 or (pairs[["exact", "sampled"]].nunique() < 2).any():
        return math.nan
    return float(np.corrcoef(pairs["exact"], pairs["sampled"])[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the two runs are, or go")
    parser.add_argument("--metrics", nargs="+", help="the file keeps its rows of all others")
    options = parser.parse_args()
    metrics = options.metrics or sampled_metrics()
    sampled, exact = (
        measured(options.folder / name, MODELS, "cognitive", metrics=metrics, sample=sample)
        for name, sample in (("sampled", Settings().sample_tokens), ("exact", None))
    )
    found = agreement(exact, sampled)
    if options.metrics:
        before = pd.read_csv(OUT)
        found = pd.concat([before[~before["metric"].isin(metrics)], found])
    order = {name: place for place, name in enumerate((*sampled_metrics(), *MODELS))}
    found = found.sort_values(["metric", "model"], key=lambda names: names.map(order))
    found["worst_layer"] = found["worst_layer"].astype("Int64")
    found.to_csv(OUT, index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
