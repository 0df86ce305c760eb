"""A study made up in the published layout: Table 1 of random cells, and tables made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parents[2].parent / "shared" / "seed" / "data"
"""The study's own files, where a checkout has them."""

METRICS = ("Final_Activation", "Attention_Entropy", "Max_Sparsity")
TASKS = (
    "factual_questions",
    "creative_writing",
    "mathematical_reasoning",
    "technical_code",
    "logical_puzzles",
    "scientific_explanations",
)
_MODELS = {
    "BERT-Base": ("bert-base-uncased", "encoder", "109.5M", 12, 12, 768),
    "GPT2-117M": ("gpt2", "decoder", "124.4M", 12, 12, 768),
    "Phi-1": ("microsoft/phi-1", "decoder", "1.4B", 24, 32, 2048),
    "BLOOM-560M": ("bigscience/bloom-560m", "decoder", "559.2M", 24, 16, 1024),
}
_FACTS = ("Model_Name", "Architecture", "Parameters", "Layers", "Heads", "Hidden_Size")


def cells_of(seed: int = 0) -> pd.DataFrame:
    """Table 1, a row a cell; mathematical reasoning has the highest entropy of every model."""
    rng = np.random.default_rng(seed)
    rows = []
    for model, facts in _MODELS.items():
        for place, task in enumerate(TASKS):
            entropy = 40 + 15 * place + rng.normal(0, 4) + 150 * (task == "mathematical_reasoning")
            rows.append(
                {
                    "Model": model,
                    **dict(zip(_FACTS, facts, strict=True)),
                    "Category": task,
                    "Final_Activation": round(float(rng.normal(-0.2, 0.4)), 4),
                    "Attention_Entropy": round(float(entropy), 4),
                    "Max_Sparsity": round(float(rng.uniform(0.03, 0.6)), 4),
                    "Inputs_Analyzed": 2,
                }
            )
    return pd.DataFrame(rows)


def text_of(cells: pd.DataFrame, *, ddof: int = 1) -> str:
    """Print Tables 1 to 6 as pandas does, and as the study did."""
    means = {name: "mean" for name in METRICS} | {"Inputs_Analyzed": "sum"}
    by_model = cells.groupby(["Model", "Architecture", "Parameters"], as_index=False).agg(means)
    by_task = cells.groupby("Category")
    third = pd.DataFrame(
        {
            f"{name}_{what}": by_task[name].mean()
            if what == "mean"
            else by_task[name].std(ddof=ddof)
            for name in METRICS
            for what in ("mean", "std")
        }
    )
    fourth = cells.groupby("Architecture", as_index=False).agg(means)
    fifth = cells.groupby("Parameters", as_index=False).agg(
        {**{name: "mean" for name in METRICS}, "Model": "nunique"}
    )
    fifth = fifth.rename(columns={"Model": "Num_Models"})
    tables = [
        ("COMPLETE ANALYSIS RESULTS", cells.to_string(index=False)),
        ("MODEL SUMMARY", by_model.round(4).to_string(index=False)),
        ("CATEGORY PERFORMANCE ACROSS MODELS", third.round(4).to_string()),
        ("ARCHITECTURE COMPARISON", fourth.round(4).to_string(index=False)),
        ("PARAMETER SCALE ANALYSIS", fifth.round(4).to_string(index=False)),
        ("TOP PERFORMERS BY METRIC", _lists(cells)),
    ]
    head = f"RESULTS\n\nTotal Models: {len(_MODELS)}\nTotal Categories: {len(TASKS)}\n\n"
    return head + "\n\n".join(
        f"TABLE {number}: {title}\n{'-' * 30}\n{body}"
        for number, (title, body) in enumerate(tables, 1)
    )


def _lists(cells: pd.DataFrame) -> str:
    lists = []
    for metric, title, rising in (
        ("Final_Activation", "Final Activation", False),
        ("Attention_Entropy", "Attention Entropy", False),
        ("Max_Sparsity", "Lowest Sparsity (Highest Density)", True),
    ):
        best = cells.sort_values(metric, ascending=rising, kind="stable").head(5)
        body = best[["Model", "Category", metric]].to_string(index=False)
        lists.append(f"Top 5 by {title}:\n{body}\n")
    return "\n".join(lists)


@dataclass(frozen=True)
class Figure:
    """A number of a file of tables, and where it stands."""

    table: int
    line: int
    """From 1."""
    column: str
    text: str
    start: int
    """In the line."""

    @property
    def decimals(self) -> int:
        return len(self.text.partition(".")[2])

    def moved(self, units: int) -> str:
        """The number with so many units of its last digit more."""
        return f"{float(self.text) + units * 10.0**-self.decimals:.{self.decimals}f}"


def figures_of(text: str) -> list[Figure]:
    """Every number of every table; its column counted from the line of names above it."""
    found: list[Figure] = []
    table, columns = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        title = re.match(r"TABLE (\d+)", line)
        words = line.split()
        if title:
            table, columns = int(title[1]), []
        elif not table or not words or set(line.strip()) == {"-"} or line.endswith(":"):
            continue
        elif words == ["Category"]:
            columns = ["Category", *columns]
        elif not any(re.fullmatch(r"-?\d+(\.\d+)?", word) for word in words):
            columns = words
        else:
            for match, column in zip(re.finditer(r"\S+", line), columns, strict=True):
                if re.fullmatch(r"-?\d+(\.\d+)?", match[0]):
                    found.append(Figure(table, number, column, match[0], match.start()))
    return found


def planted(text: str, figure: Figure, new: str) -> str:
    """The text with one number replaced."""
    lines = text.splitlines()
    line = lines[figure.line - 1]
    lines[figure.line - 1] = line[: figure.start] + new + line[figure.start + len(figure.text) :]
    return "\n".join(lines)
