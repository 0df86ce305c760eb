"""What a cell of a table should hold, by the names in its row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from report.oracle import NAN, Oracle, interval
from report.readers import KEYS, Grid
from report.sampling import Cell

from cortexscope.analysis import Analysis
from cortexscope.store import Run

_TEXTS = {
    *("Model", "Model_Name", "Architecture", "Parameters", "Category", "Metric", "Unit", "Stack"),
    *("Highest_Raw", "Holds_Raw", "Holds_Adjusted", "List"),
}
_TOP = (
    *("Final_Activation", "Attention_Entropy", "Max_Sparsity", "Attention_Entropy_Per_Row"),
    "Attention_Entropy_Normalized",
)


class Expected:
    """What a cell of a table should hold, by the names in its row."""

    def __init__(self, run: Run, store: Oracle) -> None:
        self.store = store
        self.labels, self.tasks = list(store.models.index), store.order
        self.effects = Analysis(run).table("effects")
        # Readers see titles, programs names.
        self.names = {spec.title: name for name, spec in run.manifest.metrics.items()}

    def _metric(self, row: Mapping[str, Any]) -> str:
        return str(self.names.get(row["Metric"], row["Metric"]))

    def __call__(
        self, key: str, where: tuple[int, int], row: Mapping[str, Any], name: str
    ) -> float:
        return float(getattr(self, f"_{key}")(*where, row, name))

    def _complete(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        return self.store.value(name, row["Model"], row["Category"])

    def _mean(self, column: str, models: Sequence[str]) -> float:
        values = self.store.over(column, models, self.tasks)
        if column == "Inputs_Analyzed":
            return float(values.sum())
        return float(values.mean()) if len(values) else NAN

    def _models(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        return self._mean(name, [row["Model"]])

    def _architectures(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        kinds = self.store.models["stack_kind"]
        return self._mean(name, [own for own in self.labels if kinds[own] == row["Architecture"]])

    def _scale(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        counts = self.store.models["parameters"]
        said = [own for own in self.labels if f"{counts[own] / 1e6:.1f}M" == row["Parameters"]]
        return len(said) if name == "Num_Models" else self._mean(name, said)

    def _categories(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        column, _, kind = name.rpartition("_")
        if name == "Mean_Tokens":
            column, kind = name, "mean"
        values = self.store.over(column, self.labels, [row["Category"]])
        return float(values.mean() if kind == "mean" else values.std(ddof=1))

    def _top(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        column = _TOP[part]
        every = [
            (self.store.value(column, model, task), self.store.value("Mean_Tokens", model, task))
            for model in self.labels
            for task in self.tasks
        ]
        known = [own for own in every if not math.isnan(own[0])]
        known.sort(key=lambda own: own[0] if part == 2 else -own[0])
        assert self.store.value(column, row["Model"], row["Category"]) == known[place][0]
        return known[place][1] if name == "Mean_Tokens" else known[place][0]

    def _metrics(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        values = self.store.of(row["Model"], self._metric(row), row["Stack"])
        known = values.dropna()
        if name == "Prompts":
            return len(known)
        if name == "Undefined":
            return len(values) - len(known)
        if name in ("Mean", "Low_95", "High_95"):
            return interval(known)[("Mean", "Low_95", "High_95").index(name)]
        if name in ("Most_Frequent", "Share") or not len(known):
            return NAN
        if name == "SD":
            return float(known.std(ddof=1))
        share = {"Quartile_1": 25, "Median": 50, "Quartile_3": 75}[name]
        return float(np.percentile(known, share))

    def _task_effects(self, part: int, place: int, row: Mapping[str, Any], name: str) -> float:
        own = self.effects[self.effects["factor"] == "task"]
        own = own[(own["metric"] == self._metric(row)) & (own["scope"] == row["Model"])]
        if name == "Prompts":
            return float(own["n"].max())
        column, _, form = name.rpartition("_")
        names = {"P": "p", "Omega_Squared": "omega_squared"}
        names["Partial_Omega_Squared"] = "omega_squared_partial"
        own = own[own["form"] == form.lower()]
        return float(own[names[column]].iloc[0]) if len(own) else NAN


def cells_of(
    tables: Iterable[list[Grid]], expected: Expected
) -> Iterator[list[Callable[[], Cell]]]:
    """Yield what makes each number of a table a cell, a list a table."""
    for key, grids in zip(KEYS, tables, strict=True):
        makers: list[Callable[[], Cell]] = []
        for part, (heads, rows) in enumerate(grids):
            for place, row in enumerate(rows):
                assert len(row) == len(heads), (key, heads, row)
                named = dict(zip(heads, row, strict=True))
                where = (part, place)
                if key == "top" and "List" in named:
                    # One sheet holds all lists.
                    lists = [own[heads.index("List")] for own in rows]
                    where = (list(dict.fromkeys(lists)).index(named["List"]), place)
                    where = (where[0], int(float(named["Rank"])) - 1)
                makers += [
                    lambda key=key, where=where, named=named, name=name: Cell(  # type: ignore[misc]
                        f"{key} {named}, {name}",
                        named[name],
                        expected(key, where, named, name),
                    )
                    for name in heads
                    if name not in _TEXTS and name != "Rank"
                ]
        yield makers
