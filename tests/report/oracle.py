"""What a run's numbers are, computed from its Parquet files by pandas alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cortexscope.stats import mean_of

STUDY = {
    "Final_Activation": "study.final_activation",
    "Attention_Entropy": "study.attention_entropy",
    "Max_Sparsity": "study.max_sparsity",
    "Attention_Entropy_Per_Row": "attention_entropy",
    "Attention_Entropy_Normalized": "attention_entropy_normalized",
    "Attention_Sink_Mass": "attention_sink_mass",
    "Residual_Norm": "residual_norm",
    "Near_Zero_Fraction": "near_zero_fraction",
}
PROMPT = ["model", "metric", "task", "prompt_id"]
BANDS = ("early", "middle", "late")
NAN = float("nan")


class Oracle:
    """The means of a run whose prompts are of its suite, and each with a number a metric."""

    def __init__(self, path: Path, order: Sequence[str]) -> None:
        files = sorted((path / "measurements").glob("*.parquet"))
        self.rows: pd.DataFrame = pd.concat(
            [pd.read_parquet(file) for file in files], ignore_index=True
        )
        self.models: Any = pd.read_parquet(path / "models.parquet").set_index("model")
        self.order = list(order)
        stacks = self.rows.groupby("model")["stack"].unique()
        first = {
            model: "encoder" if "encoder" in own else "decoder" for model, own in stacks.items()
        }
        self.first = self.rows[self.rows["stack"] == self.rows["model"].map(first)]
        self.prompts: Any = self.first.groupby(PROMPT)["value"].mean().sort_index()
        """A prompt's value in the first stack: the mean over its layers and heads."""
        read = self.first.drop_duplicates(["model", "prompt_id"])
        self.tokens: Any = (
            read.set_index(["model", "task", "prompt_id"])["n_tokens"].astype(float).sort_index()
        )
        self.cells = self.prompts.groupby(["model", "metric", "task"]).mean()
        self.lengths = self.tokens.groupby(["model", "task"]).mean()

    def cell(self, model: str, metric: str, task: str) -> float:
        """Return a cell of Table 1."""
        return float(self.cells.get((model, metric, task), NAN))

    def value(self, column: str, model: str, task: str) -> float:
        """Return a value of Table 1 by its column."""
        if column == "Mean_Tokens":
            return float(self.lengths[model, task])
        if column == "Inputs_Analyzed":
            return float(self.tokens.loc[model, task].size)
        if column in STUDY:
            return self.cell(model, STUDY[column], task)
        described = {"Layers": "layers", "Heads": "heads", "Hidden_Size": "hidden_size"}
        return float(self.models.loc[model, described[column]])

    def over(self, column: str, models: Sequence[str], tasks: Sequence[str]) -> np.ndarray:
        """Return the values of Table 1 that are defined, of these models and tasks."""
        found = [self.value(column, model, task) for model in models for task in tasks]
        return np.array([value for value in found if not math.isnan(value)])

    def of(self, model: str, metric: str, stack: str | None = None) -> Any:
        """Return the values of all prompts of a model, of its first stack where None."""
        if stack is None:
            return self.prompts[model, metric].astype(float)
        rows = self.rows[(self.rows["model"] == model) & (self.rows["metric"] == metric)]
        return rows[rows["stack"] == stack].groupby("prompt_id")["value"].mean()

    def bands(self, model: str, metric: str) -> Any:
        """Return a prompt's value in each third of the blocks: a column a band."""
        rows = self.first[(self.first["model"] == model) & (self.first["metric"] == metric)]
        rows = rows[rows["layer"] > 0]
        last = int(self.models.loc[model, "layers"])
        band = [BANDS[min(2, (3 * int(layer) - 1) // last)] for layer in rows["layer"]]
        # A layer is the mean of its heads, a band that of its layers.
        layers = rows.assign(band=band).groupby(["task", "prompt_id", "band", "layer"])["value"]
        return layers.mean().groupby(["task", "prompt_id", "band"]).mean().unstack("band")


def interval(values: Any) -> tuple[float, float, float]:
    """Return mean, low and high of independent values; NaN where undefined."""
    found = mean_of(np.asarray(values, dtype=float))
    return tuple(  # type: ignore[return-value]
        NAN if own is None else own for own in (found.value, found.low, found.high)
    )
